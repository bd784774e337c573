// SPDX-License-Identifier: Apache-2.0
#include "train/batch_source.hpp"

#include <algorithm>

namespace tessera::train {
namespace {

std::vector<double> weights_of(const TokenMixture& tokens) {
  std::vector<double> weights;
  for (const TokenMixture::Source& source : tokens.sources) weights.push_back(source.weight);
  return weights;
}

}  // namespace

BatchSource::BatchSource(const TokenMixture& tokens, std::uint64_t seed, std::int64_t context, const BatchCut& cut)
    : data_(tokens), context_(context), cut_(cut), mixture_(weights_of(tokens)) {
  for (std::size_t source = 0; source < tokens.sources.size(); ++source)
    samplers_.emplace_back(data::source_seed(seed, source), tokens.sources[source].range.num_tokens(), context);
  const auto size = static_cast<std::size_t>(cut.micro_batch * context);
  tokens_.resize(size);
  targets_.resize(size);
  window_.resize(static_cast<std::size_t>(context + 1));
}

std::vector<std::uint64_t> BatchSource::sample_indices(std::int64_t step, std::int64_t micro) const {
  std::vector<std::uint64_t> samples;
  const std::int64_t first =
      step * cut_.global_batch + cut_.rank * cut_.sequences_per_rank() + micro * cut_.micro_batch;
  for (std::int64_t b = 0; b < cut_.micro_batch; ++b) samples.push_back(static_cast<std::uint64_t>(first + b));
  return samples;
}

model::MicroBatch BatchSource::load(std::int64_t step, std::int64_t micro) {
  samples_ = sample_indices(step, micro);
  for (std::int64_t b = 0; b < cut_.micro_batch; ++b) {
    const data::Mixture::Place place = mixture_.place(samples_[static_cast<std::size_t>(b)]);
    const TokenRange& range = data_.sources[place.source].range;
    const std::int64_t first = range.first + samplers_[place.source].first_token(place.index);
    range.file->read(first, context_ + 1, window_.data());
    std::copy_n(window_.begin(), context_, tokens_.begin() + b * context_);
    std::copy_n(window_.begin() + 1, context_, targets_.begin() + b * context_);
  }
  const tensor::Shape shape{cut_.micro_batch, context_};
  return {{tokens_.data(), shape}, {targets_.data(), shape}, samples_};
}

}  // namespace tessera::train
