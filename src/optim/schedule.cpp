// SPDX-License-Identifier: Apache-2.0
#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tessera::optim {

double learning_rate(const config::OptimConfig& config, std::int64_t steps, std::int64_t step) {
  if (step <= config.warmup) return config.lr * static_cast<double>(step) / static_cast<double>(config.warmup);
  if (config.lr_schedule == "constant") return config.lr;
  const auto span = static_cast<double>(std::max<std::int64_t>(1, steps - config.warmup));
  const double progress = std::min(1.0, static_cast<double>(step - config.warmup) / span);
  return config.min_lr + 0.5 * (config.lr - config.min_lr) * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace tessera::optim
