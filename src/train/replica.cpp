// SPDX-License-Identifier: Apache-2.0
#include "train/replica.hpp"

#include "comm/together.hpp"

namespace tessera::train {

void require_same_kernels(const comm::Communicator& ranks, const tensor::Device& device) {
  comm::require_equal(ranks, device.instruction_set(), "CPU kernels",
                      "set TESSERA_ISA=v3 in the environment of all ranks (mpirun -x TESSERA_ISA=v3), or use nodes of "
                      "one kind");
}

std::vector<optim::OptimizedTile> optimized_tiles(const model::Parameters& parameters) {
  std::vector<optim::OptimizedTile> tiles;
  for (const model::Parameter& p : parameters.all())
    tiles.push_back({p.tile, p.master, p.rounded() ? p.weight : tensor::View{}, p.gradient, p.spec.decay});
  return tiles;
}

base::DType element_type(const config::Config& config) {
  return config.run.precision == "bf16" ? base::DType::bf16 : base::DType::f32;
}

namespace {

/// Groups in the order of parameters: embeddings, then one a block; what follows the blocks is ready with the last.
std::vector<data_parallel::SyncTensor> sync_tensors(const model::Parameters& parameters) {
  std::vector<data_parallel::SyncTensor> tensors;
  int group = 0;
  for (const model::Parameter& p : parameters.all()) {
    if (p.spec.name.ends_with(".attention_norm.gain")) ++group;
    tensors.push_back({p.gradient, {}, p.weight, static_cast<std::int64_t>(tensors.size()), group});
  }
  return tensors;
}

}  // namespace

model::StageRoom stage_room(const config::Config& config) {
  return {config.optim.micro_batch, config.model.context, true, model::recompute_of(config.run.recompute)};
}

Replica::Replica(const comm::Communicator& ranks, tensor::Device& device, const config::Config& config,
                 const TokenMixture& tokens)
    : ranks_(&ranks),
      device_(&device),
      config_(config),
      parameters_(config.model, true, element_type(config)),
      stage_(device, config.model, parameters_, stage_room(config)),
      batches_(tokens, config, ranks.rank(), ranks.size()),
      optimizer_(config.optim, optimized_tiles(parameters_)),
      sync_(ranks, device, sync_tensors(parameters_), {.bucket_bytes = config.parallel.bucket_bytes}) {
  require_same_kernels(ranks, device);
  parameters_.initialize(config.run.seed, device);
}

std::vector<checkpoint::TensorTile> Replica::tiles() {
  const bool counted = ranks_->rank() == 0;  // data ranks hold equal copies
  std::vector<checkpoint::TensorTile> tiles;
  for (const model::Parameter& p : parameters_.all()) tiles.push_back({"model", p.tile, p.master, counted});
  const auto& optimized = optimizer_.tiles();
  for (std::size_t i = 0; i < optimized.size(); ++i) {
    tiles.push_back({"optimizer/m", optimized[i].tile, optimizer_.m()[i], counted});
    tiles.push_back({"optimizer/v", optimized[i].tile, optimizer_.v()[i], counted});
  }
  return tiles;
}

}  // namespace tessera::train
