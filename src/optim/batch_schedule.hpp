// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"

namespace tessera::optim {

/// Sequences of each step, a pure function of the step: optim.batch, or with optim.batch_start a ramp to it that is
/// linear in the tokens seen (Brown et al. 2020, appendix B).
///
/// Rule. A step that begins after S tokens of a ramp of R tokens from b to B sequences has
///   b + (B - b) min(1, S / R), rounded down to a multiple of b.
/// Every batch is thus a multiple of the first one, whatever the layout: ranks and micro-batches that divide b divide
/// all. The steps of one batch follow each other, so a table of at most B / b stages answers in O(log(B / b)).
class BatchSchedule {
 public:
  /// `config` must be valid: b divides B, and is smaller.
  BatchSchedule(const config::OptimConfig& config, std::int64_t context);

  /// Sequences of step `step` (from 0), over all ranks.
  std::int64_t batch(std::int64_t step) const;
  /// Global index of its first sample: the number of sequences in all steps before.
  std::int64_t first_sample(std::int64_t step) const;

 private:
  /// Steps of one batch, from `first_step` to the next stage.
  struct Stage {
    std::int64_t first_step = 0, first_sample = 0, batch = 0;
  };
  const Stage& stage(std::int64_t step) const;

  std::vector<Stage> stages_;
};

}  // namespace tessera::optim
