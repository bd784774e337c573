// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "model/placement.hpp"
#include "tensor/arena.hpp"
#include "tensor/device.hpp"

namespace tessera::model {

/// One parameter on this rank.
struct Parameter : PlacedParameter {
  tensor::View weight;       ///< [tile] what the model reads: f32, or bf16 for the matrices of a bf16 run
  tensor::View master;       ///< [owned] f32: what the optimizer updates and checkpoints hold; in fp32 rows of `weight`
  tensor::View gradient;     ///< [tile] f32; a backward replaces it or adds to it
  tensor::View accumulator;  ///< [owned] f32, zero = 2 only: sums over ranks and micro-batches

  bool rounded() const { return weight.dtype() != base::DType::f32; }
  /// The rows of the weight that belong to `master`.
  tensor::View owned_weight() const { return weight.rows(owned_rows.first, owned_rows.size); }
  /// [owned] f32: where the gradient of `master` stands when the sums over ranks are made.
  tensor::View owned_gradient() const {
    return accumulator.empty() ? gradient.rows(owned_rows.first, owned_rows.size) : accumulator;
  }
};

/// What Parameters hold beside weights.
struct ParameterRoom {
  bool gradients = true;                 ///< false for generation and evaluation: gradient views are empty
  base::DType dtype = base::DType::f32;  ///< f32 or bf16, of the matrices and embeddings that the model reads
};

/// The weights and gradients of this rank, in memory carved once. Joined parameters lie back to back. With zero = 2 the
/// blocks take turns with two sets of gradients, as a sum over ranks follows each micro-batch.
class Parameters {
 public:
  Parameters(const config::ModelConfig& config, const Placement& placement, const ParameterRoom& room = {});

  /// Views without memory, to ask how large things would be.
  static Parameters measured(const config::ModelConfig& config, const Placement& placement, const ParameterRoom& room);

  /// Draws the initial weights: each element is a function of (seed, name, global index), so every layout and precision
  /// draws the same.
  void initialize(std::uint64_t seed, tensor::Device& device);
  /// Rounds the owned weights anew from their masters: after these were written by other than the optimizer.
  void round_weights(tensor::Device& device);

  const Placement& placement() const { return placement_; }
  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  /// By full name; throws std::logic_error for one that this rank does not hold.
  const Parameter& get(std::string_view name) const;
  bool holds(std::string_view name) const;
  /// `count` joined parameters from `name` on as one weight (or gradient) tensor whose dim 0 is their sum.
  tensor::View joined_weight(std::string_view name, int count) const;
  tensor::View joined_gradient(std::string_view name, int count) const;
  /// [Vt, H] f32: where the embedding adds its gradient. Of a tied embedding whose head is on this rank too it is apart
  /// from the head's, stays zero between steps, and is added once: so that every pipeline gives the same bits.
  tensor::View embedding_gradient() const { return embedding_gradient_; }

  /// The groups whose gradients lie in the memory of those of `group`, itself among them.
  std::vector<int> groups_in_memory_of(int group) const;

  base::DType dtype() const { return room_.dtype; }

  /// Bytes of weights (masters, and in bf16 the rounded ones) and of gradients, of measured ones too.
  std::size_t weight_bytes() const { return weight_arena_.used_bytes(); }
  std::size_t gradient_bytes() const { return gradient_arena_.used_bytes(); }

 private:
  struct Measure {};
  Parameters(Measure, const config::ModelConfig& config, const Placement& placement, const ParameterRoom& room);
  void carve_weights(tensor::Arena& arena);
  void carve_gradients(tensor::Arena& arena);

  Placement placement_;
  ParameterRoom room_;
  bool folds_embedding_ = false;
  tensor::Arena weight_arena_, gradient_arena_;
  std::vector<Parameter> parameters_;
  tensor::View embedding_gradient_;
};

/// Of a training run.
ParameterRoom training_room(const config::Config& config);

}  // namespace tessera::model
