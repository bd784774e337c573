// SPDX-License-Identifier: Apache-2.0
#include "plan/traffic.hpp"

#include <fmt/core.h>

#include "base/units.hpp"
#include "data_parallel/gradient_sync.hpp"
#include "model/model_stage.hpp"
#include "model/synchronized.hpp"
#include "tensor_parallel/tensor_axis.hpp"

namespace tessera::plan {
namespace {

/// Messages of the tensor axis in one micro-batch.
class TensorMessages {
 public:
  TensorMessages(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at)
      : rows_(config.optim.micro_batch * config.model.context),
        hidden_(config.model.hidden),
        ranks_(mesh.tensor),
        rank_(at.tensor),
        sequence_(config.parallel.sequence),
        dtype_(model::element_type(config)),
        recompute_(model::recompute_of(config.run.recompute)),
        splits_backward_(mesh.pipeline > 1 && config.parallel.pipeline_schedule == "zero_bubble") {}

  std::uint64_t sum(base::DType dtype) const {
    return tensor_parallel::sum_bytes(rows_, hidden_, dtype, ranks_, rank_, sequence_);
  }
  std::uint64_t gather(base::DType dtype) const {
    return tensor_parallel::gather_bytes(rows_, hidden_, dtype, ranks_, rank_, sequence_);
  }
  std::uint64_t of_block() const {
    std::uint64_t again = 0;
    if (recompute_ != model::Recompute::none) again += 2 * gather(dtype_);
    if (recompute_ == model::Recompute::full) again += sum(dtype_);
    // Halves of a backward that are apart recompute each for itself.
    return 4 * (sum(dtype_) + gather(dtype_)) + (splits_backward_ ? 2 : 1) * again;
  }
  std::uint64_t of_embedding() const { return sum(base::DType::f32) + gather(base::DType::f32); }
  std::uint64_t of_head() const {
    const auto statistics = static_cast<std::uint64_t>((ranks_ - 1) * 3 * rows_) * sizeof(float);
    return gather(dtype_) + sum(dtype_) + statistics;
  }

 private:
  std::int64_t rows_, hidden_;
  int ranks_, rank_;
  bool sequence_;
  base::DType dtype_;
  model::Recompute recompute_;
  bool splits_backward_;
};

/// Squares of each tensor, once, or twice if elements are clipped in between.
std::uint64_t norm_bytes(const config::Config& config, int ranks) {
  const std::uint64_t tensors = model::parameter_specs(config.model).size();
  return (config.optim.clip_value > 0 ? 2u : 1u) * tensors * sizeof(double) * static_cast<std::uint64_t>(ranks - 1);
}

}  // namespace

Traffic predict_traffic(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at,
                        int data_ranks_per_node) {
  const model::Placement placement = model::place(config, mesh, at);
  const model::Parameters parameters =
      model::Parameters::measured(config.model, placement, model::training_room(config));
  const std::int64_t micro = config.optim.batch / mesh.data / config.optim.micro_batch;
  const std::int64_t rows = config.optim.micro_batch * config.model.context;
  const std::int64_t own = config.parallel.sequence ? tensor::part_of(rows, mesh.tensor, at.tensor).size : rows;
  const auto message = static_cast<std::uint64_t>(own * config.model.hidden) * sizeof(float);
  const TensorMessages tensor(config, mesh, at);

  Traffic traffic;
  for (std::size_t chunk = 0; chunk < placement.parts.size(); ++chunk) {
    const model::Part& part = placement.parts[chunk];
    traffic.tensor += static_cast<std::uint64_t>(part.layers.size) * tensor.of_block();
    if (part.embeds) traffic.tensor += tensor.of_embedding();
    if (part.has_head) traffic.tensor += tensor.of_head();
    if (!part.has_head) traffic.pipeline += message;  // activations
    if (!part.embeds) traffic.pipeline += message;    // their gradients
  }
  traffic.tensor *= static_cast<std::uint64_t>(micro);
  traffic.pipeline *= static_cast<std::uint64_t>(micro);
  if (config.parallel.sequence) {
    std::int64_t elements = 0;
    for (const model::Parameter& p : parameters.all())
      if (p.spec.on_residual_stream) elements += p.owned().num_elements();
    traffic.tensor += tensor_parallel::sum_bytes(elements, 1, base::DType::f32, mesh.tensor, at.tensor, false);
  }
  if (mesh.pipeline > 1 && config.model.tied_head && parameters.holds("token_embedding"))
    traffic.pipeline +=
        static_cast<std::uint64_t>(parameters.get("token_embedding").tile.num_elements()) * sizeof(float);
  data_parallel::SyncSettings settings = model::sync_settings(config);
  settings.ranks_per_node = data_ranks_per_node;
  traffic.data = data_parallel::bytes_per_step(model::sync_tensors(parameters), mesh.data, at.data, settings,
                                               config.parallel.zero == 2 ? micro : 1);
  traffic.data += norm_bytes(config, mesh.data);
  traffic.tensor += norm_bytes(config, mesh.tensor);
  traffic.pipeline += norm_bytes(config, mesh.pipeline);
  return traffic;
}

Traffic most_traffic(const config::Config& config, const comm::MeshShape& mesh) {
  Traffic most;  // along the data and tensor axes ranks differ by a row at most
  for (int stage = 0; stage < mesh.pipeline; ++stage) {
    const Traffic traffic = predict_traffic(config, mesh, {0, stage, 0});
    if (traffic.total() > most.total()) most = traffic;
  }
  return most;
}

std::string describe(const Traffic& traffic) {
  using base::format_bytes;
  return fmt::format("messages a rank and step: data axis {}, tensor axis {}, pipeline axis {}",
                     format_bytes(traffic.data), format_bytes(traffic.tensor), format_bytes(traffic.pipeline));
}

StateBytes predict_state(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at) {
  constexpr std::uint64_t kLine = 64;
  const model::Placement placement = model::place(config, mesh, at);
  const bool bf16 = model::element_type(config) == base::DType::bf16;
  StateBytes bytes;
  std::int64_t num_blocks = 0;
  for (const model::PlacedParameter& p : model::placed_parameters(config.model, placement)) {
    const auto held = static_cast<std::uint64_t>(p.tile.num_elements());
    const auto owned = static_cast<std::uint64_t>(p.owned().num_elements());
    const bool rounds = bf16 && p.spec.shape.num_dims() > 1;
    bytes.weights += rounds ? 2 * held + 4 * owned : 4 * held;
    bytes.moments += 8 * owned;
    // With zero = 2 two blocks have room for gradients, and each rank its rows of all.
    if (p.spec.name.ends_with("attention_norm.gain")) ++num_blocks;
    const bool in_block = p.spec.layer >= 0 && p.spec.layer < config.model.layers;
    if (!(config.parallel.zero == 2 && in_block && num_blocks > 2)) bytes.gradients += 4 * held;
    if (config.parallel.zero == 2) bytes.gradients += 4 * owned;
    const bool folds = config.model.tied_head && mesh.pipeline == 1 && p.spec.name == "token_embedding";
    if (folds) bytes.gradients += 4 * held;
    bytes.padding += 4 * kLine;
  }
  return bytes;
}

}  // namespace tessera::plan
