// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "data/mixture.hpp"
#include "data/sampler.hpp"
#include "model/batch.hpp"
#include "train/tokens.hpp"

namespace tessera::train {

/// How the global batch of a step is cut: rank r of P takes sequences [r B/P, (r+1) B/P) in micro-batches of b.
struct BatchCut {
  std::int64_t global_batch = 0, micro_batch = 0;
  int rank = 0, ranks = 1;
  std::int64_t sequences_per_rank() const { return global_batch / ranks; }
  std::int64_t num_micro_batches() const { return sequences_per_rank() / micro_batch; }
};

/// Micro-batches of a step as a pure function of (seed, step): sample s of step k has the global index k * B + s, by
/// which data::Mixture chooses a source, and data::Sampler a window in it.
class BatchSource {
 public:
  BatchSource(const TokenMixture& tokens, std::uint64_t seed, std::int64_t context, const BatchCut& cut);

  /// Micro-batch `micro` of this rank in step `step` (from 0). Valid until the next call.
  model::MicroBatch load(std::int64_t step, std::int64_t micro);
  /// Global sample indices of that micro-batch (the same the batch carries).
  std::vector<std::uint64_t> sample_indices(std::int64_t step, std::int64_t micro) const;
  const BatchCut& cut() const { return cut_; }

 private:
  TokenMixture data_;
  std::int64_t context_;
  BatchCut cut_;
  data::Mixture mixture_;
  std::vector<data::Sampler> samplers_;  // one a source
  std::vector<std::uint64_t> samples_;
  std::vector<std::int32_t> tokens_, targets_, window_;
};

}  // namespace tessera::train
