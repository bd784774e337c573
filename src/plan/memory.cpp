// SPDX-License-Identifier: Apache-2.0
#include "plan/memory.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/units.hpp"
#include "checkpoint/columns.hpp"
#include "data_parallel/gradient_sync.hpp"
#include "model/copies.hpp"
#include "model/model_stage.hpp"
#include "model/synchronized.hpp"
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
  const std::int64_t P = config.parallel.tensor;
  const std::int64_t layers[][2] = {{H, 3 * H / P}, {H / P, H}, {H, m.mlp() / P}, {m.mlp() / P, H}, {H, m.vocab / P}};
  for (const auto& [in, out] : layers) products = std::max(products, tensor::linear_work_bytes(R, in, out, dtype));
  return products +
         tensor::attention_work_bytes({config.optim.micro_batch, m.heads, m.head_dim(), m.context, m.context});
}

/// Of the rank at `at`.
MemoryPlan memory_at(const config::Config& config, const MemoryQuestion& question, const comm::Coordinates& at) {
  const model::Placement placement = model::place(config, question.mesh, at);
  const model::ParameterRoom room = model::training_room(config);
  const model::Parameters parameters = model::Parameters::measured(config.model, placement, room);
  MemoryPlan plan;
  plan.weights = parameters.weight_bytes();
  plan.gradients = parameters.gradient_bytes();
  tensor::Arena moments;
  for (const model::Parameter& p : parameters.all())
    for (int moment = 0; moment < 2; ++moment) moments.take(base::DType::f32, p.owned().extent);
  plan.moments = moments.used_bytes();
  plan.activations =
      model::ModelStage::activation_bytes(config, placement, model::largest_schedule(config, question.mesh));
  plan.communication = data_parallel::GradientSync::buffer_bytes(model::sync_tensors(parameters), question.mesh.data,
                                                                 model::sync_settings(config));
  const std::int64_t rows = config.optim.micro_batch * config.model.context;
  if (question.mesh.tensor > 1)  // copies of the embedded rows, the widest that tensor ranks add
    plan.communication += static_cast<std::uint64_t>(rows * config.model.hidden) * sizeof(float);
  plan.checkpoint = checkpoint_bytes(config, parameters);
  plan.work = kSmallBytes + static_cast<std::uint64_t>(question.threads) * thread_work_bytes(config, room.dtype);
  plan.program = question.program_bytes;
  return plan;
}

}  // namespace

std::uint64_t checkpoint_bytes(const config::Config& config, const model::Parameters& parameters) {
  const model::Placement& placement = parameters.placement();
  std::vector<checkpoint::TensorTile> stored;
  for (const model::Parameter& p : parameters.all())
    for (const char* group : {"model", "optimizer/m", "optimizer/v"})
      stored.push_back({group, tensor::cut(p.owned(), 0, model::stored_rows(p, placement)), {}, p.primary});
  return checkpoint::copied_bytes(std::move(stored), placement.mesh.tensor, placement.at.tensor,
                                  config.checkpoint.async && config.checkpoint.interval > 0);
}

MemoryPlan predict_memory(const config::Config& config, const MemoryQuestion& question) {
  MemoryPlan most;  // first ranks of an axis have the larger parts; stages differ
  for (int stage = 0; stage < question.mesh.pipeline; ++stage) {
    const MemoryPlan plan = memory_at(config, question, {0, stage, 0});
    if (plan.total() > most.total()) most = plan;
  }
  return most;
}

std::string describe(const MemoryPlan& plan) {
  using base::format_bytes;
  return fmt::format(
      "memory a rank: {} (weights {}, gradients {}, moments {}, activations {}, communication {}, checkpoint copy {}, "
      "work space {}, program {})",
      format_bytes(plan.total()), format_bytes(plan.weights), format_bytes(plan.gradients), format_bytes(plan.moments),
      format_bytes(plan.activations), format_bytes(plan.communication), format_bytes(plan.checkpoint),
      format_bytes(plan.work), format_bytes(plan.program));
}

}  // namespace tessera::plan
