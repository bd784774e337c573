// SPDX-License-Identifier: Apache-2.0
#include "optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tessera::optim {

std::int64_t decay_steps(const config::OptimConfig& config, std::int64_t steps) {
  return std::max<std::int64_t>(1, std::llround(config.decay * static_cast<double>(steps)));
}

double learning_rate(const config::OptimConfig& config, std::int64_t steps, std::int64_t step) {
  if (step <= config.warmup) return config.lr * static_cast<double>(step) / static_cast<double>(config.warmup);
  if (config.lr_schedule == "constant") return config.lr;
  std::int64_t last_at_lr = config.warmup;
  if (config.lr_schedule == "wsd") last_at_lr = std::max(last_at_lr, steps - decay_steps(config, steps));
  const auto span = static_cast<double>(std::max<std::int64_t>(1, steps - last_at_lr));
  const double progress = std::clamp(static_cast<double>(step - last_at_lr) / span, 0.0, 1.0);
  const double left = config.lr_schedule == "cosine" ? 0.5 * (1.0 + std::cos(std::numbers::pi * progress))  // 1 to 0
                                                     : 1.0 - progress;
  return config.min_lr + (config.lr - config.min_lr) * left;
}

}  // namespace tessera::optim
