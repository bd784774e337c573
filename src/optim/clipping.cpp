// SPDX-License-Identifier: Apache-2.0
#include "optim/clipping.hpp"

namespace tessera::optim {

void clip_by_value(tensor::Device& device, const config::OptimConfig& config, const std::vector<OptimizedTile>& tiles) {
  if (config.clip_value <= 0) return;
  for (const OptimizedTile& tile : tiles) tensor::clamp(device, tile.gradient, static_cast<float>(config.clip_value));
}

double norm_factor(const config::OptimConfig& config, double norm) {
  return config.clip_norm > 0 && norm > config.clip_norm ? config.clip_norm / norm : 1.0;
}

}  // namespace tessera::optim
