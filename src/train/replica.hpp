// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "data_parallel/gradient_sync.hpp"
#include "model/gpt_stage.hpp"
#include "optim/adamw.hpp"
#include "train/batch_source.hpp"

namespace tessera::train {

/// Throws base::SharedError, naming the remedy, unless all ranks run kernels of one instruction set: the others round
/// differently, so copies of the weights that nobody compares would drift apart. Collective over `ranks`.
void require_same_kernels(const comm::Communicator& ranks, const tensor::Device& device);

/// All that one rank needs to take training steps: weights, activations, optimizer and its share of the data.
/// Construction allocates every tensor; the first step adds scratch memory of kernels, others only lists of a few
/// words.
class Replica {
 public:
  /// `config` must be resolved (vocab, micro_batch > 0) and valid for ranks.size(). Collective over `ranks`, which must
  /// outlive the replica and run the same kernels. Weights are drawn from config.run.seed.
  Replica(const comm::Communicator& ranks, tensor::Device& device, const config::Config& config,
          const TokenMixture& tokens);

  const comm::Communicator& ranks() const { return *ranks_; }
  tensor::Device& device() { return *device_; }
  const config::Config& config() const { return config_; }
  model::Parameters& parameters() { return parameters_; }
  model::GptStage& stage() { return stage_; }
  BatchSource& batches() { return batches_; }
  optim::AdamW& optimizer() { return optimizer_; }
  data_parallel::GradientSync& sync() { return sync_; }

  /// Master weights and moments as checkpoint tiles. After they were read: parameters().round_weights().
  std::vector<checkpoint::TensorTile> tiles();

 private:
  const comm::Communicator* ranks_;
  tensor::Device* device_;
  config::Config config_;
  model::Parameters parameters_;
  model::GptStage stage_;
  BatchSource batches_;
  optim::AdamW optimizer_;
  data_parallel::GradientSync sync_;
};

/// Type of matrices and activations in a run, and what a stage must hold for its training.
base::DType element_type(const config::Config& config);
model::StageRoom stage_room(const config::Config& config);

/// The optimizer's view of all parameters.
std::vector<optim::OptimizedTile> optimized_tiles(const model::Parameters& parameters);

}  // namespace tessera::train
