// SPDX-License-Identifier: Apache-2.0
#include "optim/batch_schedule.hpp"

#include <algorithm>

namespace tessera::optim {
namespace {

std::int64_t divide_up(std::int64_t number, std::int64_t divisor) {
  return number / divisor + (number % divisor != 0);
}

/// First sample at which the ramp reaches the (stage + 1)-fold of its first batch: where stage / stages of its tokens
/// have been seen.
std::int64_t begin_of_stage(std::int64_t ramp_tokens, std::int64_t stage, std::int64_t stages, std::int64_t context) {
  // The quotient apart, as the product of tokens and stage may not fit.
  const std::int64_t tokens = ramp_tokens / stages * stage + divide_up(ramp_tokens % stages * stage, stages);
  return divide_up(tokens, context);
}

}  // namespace

BatchSchedule::BatchSchedule(const config::OptimConfig& config, std::int64_t context) {
  const std::int64_t first = config.first_batch(), last_stage = config.batch / first - 1;
  stages_.push_back({0, 0, first});
  for (std::int64_t number = 1; number <= last_stage; ++number) {
    Stage next = stages_.back();
    const std::int64_t begin = begin_of_stage(config.batch_ramp, number, last_stage, context);
    const std::int64_t num_steps = divide_up(std::max<std::int64_t>(0, begin - next.first_sample), next.batch);
    next.first_step += num_steps;
    next.first_sample += num_steps * next.batch;
    next.batch = (number + 1) * first;
    stages_.push_back(next);
  }
}

const BatchSchedule::Stage& BatchSchedule::stage(std::int64_t step) const {
  // A stage that a large step jumped over begins where the next one does: the last of them counts.
  const auto after = std::upper_bound(stages_.begin(), stages_.end(), step,
                                      [](std::int64_t value, const Stage& stage) { return value < stage.first_step; });
  return *std::prev(after);
}

std::int64_t BatchSchedule::batch(std::int64_t step) const {
  return stage(step).batch;
}

std::int64_t BatchSchedule::first_sample(std::int64_t step) const {
  const Stage& at = stage(step);
  return at.first_sample + (step - at.first_step) * at.batch;
}

}  // namespace tessera::optim
