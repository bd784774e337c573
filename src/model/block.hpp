// SPDX-License-Identifier: Apache-2.0
// A pre-LayerNorm decoder block:  x1 = x + drop(attention(norm(x))),  x2 = x1 + drop(mlp(norm(x1))).
#pragma once

#include "config/config.hpp"
#include "model/batch.hpp"
#include "model/linear.hpp"
#include "model/parameters.hpp"
#include "tensor/arena.hpp"

namespace tessera::model {

/// What forward keeps for backward, for up to R rows.
struct BlockActivations {
  tensor::View norm1;         // [R, H] attention's input
  tensor::View mean1, rstd1;  // [R]
  tensor::View qkv;           // [R, 3H] queries, keys, values
  tensor::View attention;     // [R, H] attention's output, before its projection
  tensor::View lse;           // [R * A] as [B, A, T]: log-sum-exp of the score rows
  tensor::View x1;            // [R, H] residual stream in the middle
  tensor::View norm2;         // [R, H] mlp's input
  tensor::View mean2, rstd2;  // [R]
  tensor::View up;            // [R, F] before the activation function
  tensor::View activated;     // [R, F] after it
  tensor::View x2;            // [R, H] output

  static BlockActivations carve(tensor::Arena& arena, const config::ModelConfig& config, std::int64_t rows);
  /// The same memory for fewer rows (a smaller or shorter micro-batch).
  BlockActivations first_rows(std::int64_t rows, std::int64_t heads) const;
};

/// Gradients that backward_input leaves for backward_weight, and its work space.
struct BlockGradients {
  tensor::View down_out;        // [R, H] gradient of the mlp's output
  tensor::View up_out;          // [R, F] gradient of the up product
  tensor::View projection_out;  // [R, H] gradient of attention's projection
  tensor::View qkv;             // [R, 3H]
  tensor::View branch;          // [R, H] work space

  static BlockGradients carve(tensor::Arena& arena, const config::ModelConfig& config, std::int64_t rows);
  BlockGradients first_rows(std::int64_t rows) const;
};

/// Keys and values of the past of one layer, [B, C, H] each, for generation.
struct KeyValueCache {
  tensor::View keys, values;
  std::int64_t length = 0;  ///< positions already held
};

class Block {
 public:
  /// Views into `parameters` (which must outlive the block). Gradient views are empty if it holds none.
  Block(const config::ModelConfig& config, const Parameters& parameters, std::int64_t layer);

  /// x [R, H] -> a.x2 (x may be a.x2 when no backward follows). `branch` [R, H] is work space. With a `cache` the new
  /// keys and values are appended to it and attention reads all of them.
  void forward(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, tensor::View x,
               const BlockActivations& a, tensor::View branch, KeyValueCache* cache = nullptr) const;
  /// dx [R, H]: gradient of x2 on entry, of x on return. LayerNorm gradients are added here; g keeps what
  /// backward_weight needs.
  void backward_input(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, tensor::View x,
                      const BlockActivations& a, const BlockGradients& g, tensor::View dx) const;
  /// Adds the gradients of the four matrices and their biases.
  void backward_weight(tensor::Device& device, const BlockActivations& a, const BlockGradients& g) const;

 private:
  tensor::AttentionShape attention_shape(const MicroBatch& batch) const;
  tensor::Dropout dropout_at(int place, const MicroBatch& batch, const DropoutSource& source) const;

  std::int64_t layer_, hidden_, heads_;
  tensor::Activation activation_;
  Norm norm1_, norm2_;
  Linear qkv_, projection_, up_, down_;
};

/// The enum of a configuration's activation name.
tensor::Activation activation_of(const std::string& name);

}  // namespace tessera::model
