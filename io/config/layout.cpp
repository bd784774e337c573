// SPDX-License-Identifier: Apache-2.0
#include "config/layout.hpp"

#include <fmt/core.h>

namespace tessera::config {

Layout layout_of(const Config& config, int ranks) {
  const ParallelConfig& parallel = config.parallel;
  const auto tensor = static_cast<int>(parallel.tensor), pipeline = static_cast<int>(parallel.pipeline);
  const auto share = static_cast<int>(ranks / (parallel.tensor * parallel.pipeline));
  return {parallel.data == "auto" ? share : std::stoi(parallel.data), pipeline, tensor};
}

std::int64_t num_micro_batches(const Config& config, const Layout& layout, std::int64_t batch) {
  return config.optim.micro_batch == 0 ? 0 : batch / layout.data / config.optim.micro_batch;
}

std::string describe(const ParallelConfig& parallel, const Layout& layout) {
  std::string schedule;
  if (layout.pipeline > 1) schedule = " (" + parallel.pipeline_schedule;
  if (layout.pipeline > 1 && parallel.virtual_stages > 1)
    schedule += fmt::format(", {} virtual stages", parallel.virtual_stages);
  if (!schedule.empty()) schedule += ")";
  return fmt::format("data {}, pipeline {}{}, tensor {}{}, zero {}, wire {}, reduce {}", layout.data, layout.pipeline,
                     schedule, layout.tensor, parallel.sequence ? " (sequence)" : "", parallel.zero, parallel.wire,
                     parallel.reduce);
}

}  // namespace tessera::config
