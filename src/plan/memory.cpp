// SPDX-License-Identifier: Apache-2.0
#include "plan/memory.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/units.hpp"
#include "model/gpt_stage.hpp"
#include "model/parameters.hpp"
#include "tensor/ops.hpp"

namespace tessera::plan {
namespace {

/// Generated code, stacks, token pages and small buffers: measured on runs with 3 to 500 MiB of weights.
constexpr std::uint64_t kSmallBytes = std::uint64_t{8} << 20;

/// Work space of one thread: products and attention do not run at the same time, but oneDNN keeps what it had.
std::uint64_t thread_work_bytes(const config::Config& config, base::DType dtype) {
  const config::ModelConfig& m = config.model;
  const std::int64_t R = config.optim.micro_batch * m.context, H = m.hidden;
  std::size_t products = 0;
  const std::int64_t layers[][2] = {{H, 3 * H}, {H, H}, {H, m.mlp()}, {m.mlp(), H}, {H, m.vocab}};
  for (const auto& [in, out] : layers) products = std::max(products, tensor::linear_work_bytes(R, in, out, dtype));
  return products +
         tensor::attention_work_bytes({config.optim.micro_batch, m.heads, m.head_dim(), m.context, m.context});
}

}  // namespace

MemoryPlan predict_memory(const config::Config& config, const MemoryQuestion& question) {
  const base::DType dtype = config.run.precision == "bf16" ? base::DType::bf16 : base::DType::f32;
  MemoryPlan plan;
  plan.weights = model::Parameters::weight_bytes(config.model, dtype);
  plan.gradients = model::Parameters::gradient_bytes(config.model);
  plan.moments = 2 * plan.gradients;
  plan.activations = model::GptStage::activation_bytes(
      config.model, dtype,
      {config.optim.micro_batch, config.model.context, true, model::recompute_of(config.run.recompute)});
  if (question.ranks > 1)  // at most: four buckets in flight, sent and received, of small ones what 64 MiB hold
    plan.communication =
        std::min(2 * plan.gradients,
                 std::max(8 * static_cast<std::uint64_t>(config.parallel.bucket_bytes), std::uint64_t{64} << 20));
  plan.work = kSmallBytes + static_cast<std::uint64_t>(question.threads) * thread_work_bytes(config, dtype);
  plan.program = question.program_bytes;
  return plan;
}

std::string describe(const MemoryPlan& plan) {
  using base::format_bytes;
  return fmt::format(
      "memory a rank: {} (weights {}, gradients {}, moments {}, activations {}, communication {}, work space {}, "
      "program {})",
      format_bytes(plan.total()), format_bytes(plan.weights), format_bytes(plan.gradients), format_bytes(plan.moments),
      format_bytes(plan.activations), format_bytes(plan.communication), format_bytes(plan.work),
      format_bytes(plan.program));
}

}  // namespace tessera::plan
