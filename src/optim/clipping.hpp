// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/config.hpp"
#include "optim/adamw.hpp"

namespace tessera::optim {

/// Clips each element of the gradients to [-clip_value, clip_value] in place, unless the limit is 0.
void clip_by_value(tensor::Device& device, const config::OptimConfig& config, const std::vector<OptimizedTile>& tiles);

/// min(1, clip_norm / norm), 1 with the limit 0 (Pascanu et al. 2013): what the optimizer multiplies gradients of
/// global norm `norm` by. Pure.
double norm_factor(const config::OptimConfig& config, double norm);

}  // namespace tessera::optim
