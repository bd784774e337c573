// SPDX-License-Identifier: Apache-2.0
#include "train/batch_source.hpp"

#include <algorithm>

namespace tessera::train {

BatchSource::BatchSource(const TokenRange& tokens, std::uint64_t seed, std::int64_t context, const BatchCut& cut)
    : range_(tokens), context_(context), cut_(cut), sampler_(seed, tokens.num_tokens(), context) {
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
    const std::int64_t first = range_.first + sampler_.first_token(samples_[static_cast<std::size_t>(b)]);
    range_.file->read(first, context_ + 1, window_.data());
    std::copy_n(window_.begin(), context_, tokens_.begin() + b * context_);
    std::copy_n(window_.begin() + 1, context_, targets_.begin() + b * context_);
  }
  const tensor::Shape shape{cut_.micro_batch, context_};
  return {{tokens_.data(), shape}, {targets_.data(), shape}, samples_};
}

}  // namespace tessera::train
