// SPDX-License-Identifier: Apache-2.0
#include "plan/memory.hpp"

#include <fmt/core.h>

#include "base/units.hpp"
#include "model/gpt_stage.hpp"
#include "model/parameters.hpp"

namespace tessera::plan {
namespace {

/// Program, libraries, thread stacks, token pages and scratch of kernels: 44 to 74 MiB measured on runs with 3 to 500
/// MiB of weights.
constexpr std::uint64_t kProgramBytes = std::uint64_t{56} << 20;

}  // namespace

MemoryPlan predict_memory(const config::Config& config, int ranks) {
  MemoryPlan plan;
  const base::DType dtype = config.run.precision == "bf16" ? base::DType::bf16 : base::DType::f32;
  plan.weights = model::Parameters::weight_bytes(config.model, dtype);
  plan.gradients = model::Parameters::gradient_bytes(config.model);
  plan.moments = 2 * plan.gradients;
  plan.activations = model::GptStage::activation_bytes(
      config.model, dtype,
      {config.optim.micro_batch, config.model.context, true, model::recompute_of(config.run.recompute)});
  if (ranks > 1) plan.communication = plan.gradients;  // receive buffers of GradientSync
  plan.program = kProgramBytes;
  return plan;
}

std::string describe(const MemoryPlan& plan) {
  using base::format_bytes;
  return fmt::format(
      "memory a rank: {} (weights {}, gradients {}, moments {}, activations {}, communication {}, program {})",
      format_bytes(plan.total()), format_bytes(plan.weights), format_bytes(plan.gradients), format_bytes(plan.moments),
      format_bytes(plan.activations), format_bytes(plan.communication), format_bytes(plan.program));
}

}  // namespace tessera::plan
