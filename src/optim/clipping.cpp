// SPDX-License-Identifier: Apache-2.0
#include "optim/clipping.hpp"

#include <cmath>

namespace tessera::optim {

double gradient_norm(tensor::Device& device, const std::vector<OptimizedTile>& tiles) {
  double squares = 0.0;
  for (const OptimizedTile& tile : tiles) squares += tensor::sum_of_squares(device, tile.gradient);
  return std::sqrt(squares);
}

double clip(tensor::Device& device, const config::OptimConfig& config, const std::vector<OptimizedTile>& tiles,
            double norm) {
  if (config.clip_value > 0) {
    for (const OptimizedTile& tile : tiles) tensor::clamp(device, tile.gradient, static_cast<float>(config.clip_value));
    if (config.clip_norm > 0) norm = gradient_norm(device, tiles);
  }
  return config.clip_norm > 0 && norm > config.clip_norm ? config.clip_norm / norm : 1.0;
}

}  // namespace tessera::optim
