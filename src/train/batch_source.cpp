// SPDX-License-Identifier: Apache-2.0
#include "train/batch_source.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

#include "base/stopwatch.hpp"
#include "data/document_starts.hpp"

namespace tessera::train {
namespace {

std::vector<double> weights_of(const TokenMixture& tokens) {
  std::vector<double> weights;
  for (const TokenMixture::Source& source : tokens.sources) weights.push_back(source.weight);
  return weights;
}

}  // namespace

BatchSource::BatchSource(const TokenMixture& tokens, const config::Config& config, int rank, int ranks)
    : data_(tokens),
      context_(config.model.context),
      micro_batch_(config.optim.micro_batch),
      rank_(rank),
      ranks_(ranks),
      schedule_(config.optim, context_),
      mixture_(weights_of(tokens)) {
  if (config.optim.first_batch() % (ranks_ * micro_batch_) != 0)
    throw std::logic_error(fmt::format("a batch of {} cannot be cut into micro-batches of {} on {} ranks",
                                       config.optim.first_batch(), micro_batch_, ranks_));
  for (std::size_t source = 0; source < tokens.sources.size(); ++source)
    samplers_.emplace_back(data::source_seed(config.run.seed, source), tokens.sources[source].range.num_tokens(),
                           context_);
  const auto size = static_cast<std::size_t>(micro_batch_ * context_);
  tokens_.resize(size);
  targets_.resize(size);
  if (config.data.document_mask) {
    document_end_ = document_end(config.data, *tokens.sources.front().range.file->tokenizer());
    starts_.resize(size);
  }
  window_.resize(static_cast<std::size_t>(context_ + 1));
}

std::vector<std::uint64_t> BatchSource::sample_indices(std::int64_t step, std::int64_t micro) const {
  std::vector<std::uint64_t> samples;
  const std::int64_t first =
      schedule_.first_sample(step) + rank_ * (schedule_.batch(step) / ranks_) + micro * micro_batch_;
  for (std::int64_t b = 0; b < micro_batch_; ++b) samples.push_back(static_cast<std::uint64_t>(first + b));
  return samples;
}

model::MicroBatch BatchSource::load(std::int64_t step, std::int64_t micro) {
  const base::Stopwatch stopwatch(load_seconds_);
  samples_ = sample_indices(step, micro);
  for (std::int64_t b = 0; b < micro_batch_; ++b) {
    const data::Mixture::Place place = mixture_.place(samples_[static_cast<std::size_t>(b)]);
    const TokenRange& range = data_.sources[place.source].range;
    const std::int64_t first = range.first + samplers_[place.source].first_token(place.index);
    range.file->read(first, context_ + 1, window_.data());
    std::copy_n(window_.begin(), context_, tokens_.begin() + b * context_);
    std::copy_n(window_.begin() + 1, context_, targets_.begin() + b * context_);
    if (document_end_ >= 0)
      data::document_starts(window_.data(), context_, document_end_, starts_.data() + b * context_);
  }
  const tensor::Shape shape{micro_batch_, context_};
  return {{tokens_.data(), shape},
          {targets_.data(), shape},
          samples_,
          document_end_ >= 0 ? tensor::View(starts_.data(), shape) : tensor::View{}};
}

}  // namespace tessera::train
