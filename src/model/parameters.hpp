// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/parameter_specs.hpp"
#include "tensor/arena.hpp"
#include "tensor/device.hpp"

namespace tessera::model {

/// One parameter on this rank: its tile of the global tensor, its weight and its gradient, all of the tile's shape.
struct Parameter {
  ParameterSpec spec;
  tensor::Tile tile;
  std::int64_t offset = 0;  ///< first element in the flat buffers
  tensor::View master;      ///< f32: what the optimizer updates and checkpoints hold
  tensor::View weight;      ///< what the model reads: the master, or in a bf16 run a matrix rounded from it
  tensor::View gradient;    ///< f32; a backward replaces it or adds to it
  bool rounded() const { return weight.dtype() != base::DType::f32; }
};

/// All weights and all gradients of this rank, each in one flat buffer with the same layout, in the order of
/// parameter_specs. Groups of joined parameters start at multiples of 64 bytes; the padding stays 0.
class Parameters {
 public:
  /// `with_gradients` false for generation and evaluation: gradient views are then empty. `dtype` f32 or bf16: of the
  /// matrices and embeddings that the model reads.
  Parameters(const config::ModelConfig& config, bool with_gradients, base::DType dtype = base::DType::f32);

  /// Draws the initial weights: each element is a function of (seed, name, global index), so every layout and precision
  /// draws the same.
  void initialize(std::uint64_t seed, tensor::Device& device);
  /// Rounds all weights anew from their masters: after the masters were written by other than the optimizer.
  void round_weights(tensor::Device& device);

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  /// By full name; throws std::logic_error for a name that does not exist.
  const Parameter& get(std::string_view name) const;
  /// `count` joined parameters from `name` on as one weight (or gradient) tensor whose dim 0 is their sum.
  tensor::View joined_weight(std::string_view name, int count) const;
  tensor::View joined_gradient(std::string_view name, int count) const;

  base::DType dtype() const { return dtype_; }
  std::span<float> flat_gradients() { return gradients_.span<float>(); }

  /// Bytes of weights (masters, and in bf16 the rounded ones) and of gradients.
  static std::size_t weight_bytes(const config::ModelConfig& config, base::DType dtype);
  static std::size_t gradient_bytes(const config::ModelConfig& config);

 private:
  base::DType dtype_;
  tensor::Arena weight_arena_, gradient_arena_;
  tensor::View gradients_;  // flat [num elements with padding], as the masters and the rounded weights are
  std::vector<Parameter> parameters_;
};

}  // namespace tessera::model
