// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace tessera::optim {

/// Learning rate of optimizer step `step` (from 1) in a run of `steps`. Linear warmup to lr over `warmup` steps, then
///   cosine    half a cosine to min_lr at `steps` (Loshchilov & Hutter 2017, one cycle)
///   linear    a line to min_lr at `steps`
///   constant  lr
///   wsd       warmup, stable, decay (Hu et al. 2024, MiniCPM): lr, then a line to min_lr over the last decay_steps()
/// Pure.
double learning_rate(const config::OptimConfig& config, std::int64_t steps, std::int64_t step);

/// Steps of the decay phase of wsd: the fraction `decay` of all `steps`, rounded, at least 1. The last stable step is
/// `steps` less these. Pure.
std::int64_t decay_steps(const config::OptimConfig& config, std::int64_t steps);

}  // namespace tessera::optim
