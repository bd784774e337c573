// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/trace.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "data_parallel/gradient_sync.hpp"
#include "model/model_stage.hpp"
#include "model/parameters.hpp"
#include "model/synchronized.hpp"
#include "optim/adamw.hpp"
#include "pipeline/runner.hpp"
#include "pipeline/tied_embedding.hpp"
#include "tensor_parallel/tensor_axis.hpp"
#include "train/batch_source.hpp"

namespace tessera::train {

/// Throws base::SharedError, naming the remedy, unless all ranks run kernels of one instruction set: the others round
/// differently, so copies of the weights that nobody compares would drift apart. Collective over `ranks`.
void require_same_kernels(const comm::Communicator& ranks, const tensor::Device& device);

/// All that one rank needs to take training steps: its part of the weights, activations and optimizer, and its share of
/// the data. Construction allocates every tensor; the first step adds scratch memory of kernels and of sums over the
/// tensor axis, others only lists of a few words.
class Replica {
 public:
  /// `config` must be resolved (vocab, micro_batch > 0) and valid for the mesh. Collective over the mesh, which must
  /// outlive the replica and run the same kernels. Weights are drawn from config.run.seed. `fault`: self-test only.
  Replica(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config, const TokenMixture& tokens,
          base::Fault fault = base::Fault::none);

  const comm::Mesh& mesh() const { return *mesh_; }
  tensor::Device& device() { return *device_; }
  const config::Config& config() const { return config_; }
  model::Parameters& parameters() { return parameters_; }
  const model::Parameters& parameters() const { return parameters_; }
  tensor_parallel::TensorAxis& tensor_axis() { return tensor_axis_; }
  model::ModelStage& stage() { return stage_; }
  pipeline::Runner& runner() { return runner_; }
  BatchSource& batches() { return batches_; }
  optim::AdamW& optimizer() { return optimizer_; }
  const optim::AdamW& optimizer() const { return optimizer_; }
  data_parallel::GradientSync& sync() { return sync_; }
  const data_parallel::GradientSync& sync() const { return sync_; }

  /// From now on actions and waits of all axes are recorded there, until nullptr is set.
  void set_trace(base::Trace* trace);
  base::Trace* trace() const { return trace_; }

  /// Forward and backward of all micro-batches of a step (from 0), and every sum of gradients over ranks: afterwards
  /// the owned gradients are those of the mean loss over the global batch. Returns this rank's share of the sum of
  /// losses: what its last stage computed, 0 where another rank answers for it. Collective.
  double compute_gradients(std::int64_t step);
  /// Euclidean norm of all gradients, each element counted once: squares of each tensor are summed by its parts in rank
  /// order, then tensors in the order of parameter_specs, so the bits depend on neither schedule nor zero. Collective.
  double gradient_norm();
  /// Seconds spent adding up a tied embedding's two gradients since construction.
  double tied_embedding_seconds() const { return tied_embedding_seconds_; }

  /// Master weights and moments as checkpoint tiles, whose columns axis is the tensor axis. After the counted ones were
  /// read: spread_state().
  std::vector<checkpoint::TensorTile> tiles();
  /// From the counted tiles: the copies of all ranks, and the weights that the model reads. Collective.
  void spread_state();

 private:
  bool sums_ends() const;

  const comm::Mesh* mesh_;
  tensor::Device* device_;
  config::Config config_;
  base::Fault fault_;
  tensor_parallel::TensorAxis tensor_axis_;
  model::Parameters parameters_;
  model::ModelStage stage_;
  pipeline::Runner runner_;
  BatchSource batches_;
  optim::AdamW optimizer_;
  data_parallel::GradientSync sync_;
  std::vector<tensor::View> stream_gradients_;  // that sequence parallelism leaves in parts
  base::Trace* trace_ = nullptr;
  double tied_embedding_seconds_ = 0;
};

/// What this rank writes and reads in checkpoints of `owned`, a tensor [owned] that goes with a parameter.
checkpoint::TensorTile stored_tile(const std::string& group, const model::Parameter& p,
                                   const model::Placement& placement, tensor::View owned);

/// The optimizer's view of all parameters.
std::vector<optim::OptimizedTile> optimized_tiles(const model::Parameters& parameters);

}  // namespace tessera::train
