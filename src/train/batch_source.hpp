// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/config.hpp"
#include "data/mixture.hpp"
#include "data/sampler.hpp"
#include "model/batch.hpp"
#include "optim/batch_schedule.hpp"
#include "train/tokens.hpp"

namespace tessera::train {

/// Micro-batches of a step as a pure function of (seed, step). Step k has the samples that optim::BatchSchedule gives
/// it; data::Mixture chooses the source of each by its global index, and data::Sampler the window in it. Of a batch of
/// B data rank r of P takes sequences [r B/P, (r+1) B/P) in micro-batches of b. With data.document_mask each token
/// comes with the start of its document.
class BatchSource {
 public:
  /// For data rank `rank` of `ranks`. `config` must be resolved and valid for them.
  BatchSource(const TokenMixture& tokens, const config::Config& config, int rank, int ranks);

  /// Micro-batch `micro` of this rank in step `step` (from 0). Valid until the next call.
  model::MicroBatch load(std::int64_t step, std::int64_t micro);
  /// Global sample indices of that micro-batch (the same the batch carries).
  std::vector<std::uint64_t> sample_indices(std::int64_t step, std::int64_t micro) const;
  std::int64_t num_micro_batches(std::int64_t step) const { return schedule_.batch(step) / ranks_ / micro_batch_; }
  /// Targets of the step over all ranks: every token of a window is followed by one.
  std::int64_t num_targets(std::int64_t step) const { return schedule_.batch(step) * context_; }
  const optim::BatchSchedule& schedule() const { return schedule_; }
  double load_seconds() const { return load_seconds_; }  ///< spent in load() since construction

 private:
  TokenMixture data_;
  std::int64_t context_, micro_batch_, rank_, ranks_;
  optim::BatchSchedule schedule_;
  data::Mixture mixture_;
  std::vector<data::Sampler> samplers_;  // one a source
  std::vector<std::uint64_t> samples_;
  std::vector<std::int32_t> tokens_, targets_, window_;
  text::TokenId document_end_ = -1;  // -1: no mask
  double load_seconds_ = 0;
  std::vector<std::int32_t> starts_;  // of documents, if they are masked
};

}  // namespace tessera::train
