// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/config.hpp"
#include "optim/adamw.hpp"

namespace tessera::optim {

/// Euclidean norm of all gradients: the squares of each tensor are summed in fixed blocks in double, tensors are added
/// in order, so the bits depend on neither threads nor the cut into tiles.
double gradient_norm(tensor::Device& device, const std::vector<OptimizedTile>& tiles);

/// Clips by value, then by global norm (Pascanu et al. 2013), each if its limit is > 0. Elements are clamped to
/// [-clip_value, clip_value] in place; the norm is only returned as a factor min(1, clip_norm / norm) that the
/// optimizer multiplies in. `norm` is gradient_norm() of the unclipped gradients.
double clip(tensor::Device& device, const config::OptimConfig& config, const std::vector<OptimizedTile>& tiles,
            double norm);

}  // namespace tessera::optim
