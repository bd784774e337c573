// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace tessera::optim {

/// Learning rate of optimizer step `step` (from 1): linear warmup to lr over `warmup` steps, then cosine to min_lr at
/// `steps` (Loshchilov & Hutter 2017, one cycle), or constant. Pure.
double learning_rate(const config::OptimConfig& config, std::int64_t steps, std::int64_t step);

}  // namespace tessera::optim
