// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "train/replica.hpp"

namespace tessera::train {

/// What one optimizer step did; the same on every rank.
struct StepReport {
  std::int64_t step = 0;    ///< number of the step, from 1
  std::int64_t tokens = 0;  ///< that the step saw, over all ranks
  double loss = 0;          ///< mean over all targets of the global batch, nats
  double grad_norm = 0;     ///< before clipping
  double lr = 0;
  bool skipped = false;  ///< non-finite and optim.on_nonfinite = skip: no update was made
  int asked_rank = -1;   ///< the lowest rank that was asked to stop; -1: none was
};

/// Step `step` (from 1) on all ranks of the replica: forward and backward of every micro-batch, gradient sum over
/// ranks, clipping, AdamW. `updates` counts applied updates and is raised by one unless the step is skipped.
/// `stop_requested`: asked on every rank once its gradients are computed, so that a request that comes in the middle of
/// the step is told by it. Throws base::SharedError with exit code 3, on all ranks and before the update, if loss or
/// gradient norm is not finite and the policy is stop.
StepReport train_step(
    Replica& replica, std::int64_t step, std::int64_t& updates,
    const std::function<bool()>& stop_requested = [] { return false; });

}  // namespace tessera::train
