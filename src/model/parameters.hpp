// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/parameter_specs.hpp"
#include "tensor/arena.hpp"

namespace tessera::model {

/// One parameter on this rank: its tile of the global tensor, its weight and its gradient.
struct Parameter {
  ParameterSpec spec;
  tensor::Tile tile;
  std::int64_t offset = 0;  ///< first element in the flat buffers
  tensor::View weight;      ///< shape of the tile
  tensor::View gradient;    ///< the same shape; fp32, accumulated with +=
};

/// All weights and all gradients of this rank, each in one flat buffer with the same layout, in the order of
/// parameter_specs. Groups of joined parameters start at multiples of 64 bytes; the padding stays 0.
class Parameters {
 public:
  /// `with_gradients` false for generation and evaluation: gradient views are then empty.
  Parameters(const config::ModelConfig& config, bool with_gradients);

  /// Draws the initial weights: each element is a function of (seed, name, global index), so every layout draws the
  /// same.
  void initialize(std::uint64_t seed, int threads);

  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }
  /// By full name; throws std::logic_error for a name that does not exist.
  const Parameter& get(std::string_view name) const;
  /// `count` joined parameters from `name` on as one weight (or gradient) tensor whose dim 0 is their sum.
  tensor::View joined_weight(std::string_view name, int count) const;
  tensor::View joined_gradient(std::string_view name, int count) const;

  std::span<float> flat_weights() { return weights_.span<float>(); }
  std::span<float> flat_gradients() { return gradients_.span<float>(); }
  tensor::View gradients() const { return gradients_; }

  /// Bytes of the weights buffer (the gradients take as much again).
  static std::size_t buffer_bytes(const config::ModelConfig& config);

 private:
  tensor::Arena weight_arena_, gradient_arena_;
  tensor::View weights_, gradients_;  // flat [num elements with padding]
  std::vector<Parameter> parameters_;
};

}  // namespace tessera::model
