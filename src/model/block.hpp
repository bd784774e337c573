// SPDX-License-Identifier: Apache-2.0
// A pre-LayerNorm decoder block:  x1 = x + drop(attention(norm(x))),  x2 = x1 + drop(mlp(norm(x1))).
#pragma once

#include "config/config.hpp"
#include "model/batch.hpp"
#include "model/linear.hpp"
#include "model/parameters.hpp"
#include "tensor/arena.hpp"
#include "tensor_parallel/tensor_axis.hpp"

namespace tessera::model {

/// What backward computes again instead of keeping it. Exact: it runs the same operations on the same values.
enum class Recompute : std::uint8_t {
  none,
  selective,  ///< what LayerNorm and the activation function make, from what they got (Korthikanti et al. 2022, in
              ///< spirit)
  full        ///< everything but the output of each block (Chen et al. 2016)
};

/// Sizes of a block on this rank: R rows of a micro-batch, of which Rn are its part of the residual stream (all of them
/// without sequence parallelism); At heads of D, Ft columns of the MLP.
struct BlockShape {
  std::int64_t R = 0, Rn = 0, H = 0, At = 0, D = 0, Ft = 0;
  base::DType dtype = base::DType::f32;  ///< T, element type of the run
  std::int64_t Ht() const { return At * D; }

  BlockShape(const config::ModelConfig& config, const Placement& placement, std::int64_t rows, std::int64_t own_rows,
             base::DType dtype);
};

/// What forward keeps for backward, for up to R rows.
struct BlockActivations {
  tensor::View norm1;         // [R, H] T attention's input
  tensor::View mean1, rstd1;  // [Rn] f32
  tensor::View qkv;           // [R, 3Ht] T queries, keys, values
  tensor::View attention;     // [R, Ht] T attention's output, before its projection
  tensor::View lse;           // [R * At] f32 as [B, At, T]: log-sum-exp of the score rows
  tensor::View x1;            // [Rn, H] f32 residual stream in the middle
  tensor::View norm2;         // [R, H] T mlp's input
  tensor::View mean2, rstd2;  // [Rn] f32
  tensor::View up;            // [R, Ft] T before the activation function
  tensor::View activated;     // [R, Ft] T after it
  tensor::View x2;            // [Rn, H] f32 output

  static BlockActivations carve(tensor::Arena& arena, const BlockShape& shape);
  /// Memory that all layers share for what `recompute` does not keep; the other views are empty.
  static BlockActivations carve_shared(tensor::Arena& arena, const BlockShape& shape, Recompute recompute);
  /// Of one layer: its own memory for what `recompute` keeps, that of `shared` for the rest.
  static BlockActivations carve_kept(tensor::Arena& arena, const BlockShape& shape, Recompute recompute,
                                     const BlockActivations& shared);
  /// The same memory for fewer rows (a smaller or shorter micro-batch), of which `own` of the residual stream.
  BlockActivations first_rows(std::int64_t rows, std::int64_t own) const;
};

/// Gradients that backward_input leaves for backward_weight.
struct BlockGradients {
  tensor::View down_out;        // [R, H] T gradient of the mlp's output
  tensor::View up_out;          // [R, Ft] T gradient of the up product
  tensor::View projection_out;  // [R, H] T gradient of attention's projection
  tensor::View qkv;             // [R, 3Ht] T

  static BlockGradients carve(tensor::Arena& arena, const BlockShape& shape);
  BlockGradients first_rows(std::int64_t rows) const;
};

/// Work space of a block that nothing keeps.
struct BlockWork {
  tensor::View branch;  // [R, H] T what leaves or enters a branch
  tensor::View heads;   // [R, Ht] T gradient of attention's output: in the same memory, as it is never needed with it

  static BlockWork carve(tensor::Arena& arena, const BlockShape& shape);
  BlockWork first_rows(std::int64_t rows) const;
};

/// Keys and values of the past of one layer, [B, C, Ht] T each, for generation.
struct KeyValueCache {
  tensor::View keys, values;
  std::int64_t length = 0;  ///< positions already held
};

class Block {
 public:
  /// Views into `parameters` (which must outlive the block, as must `axis`). Gradient views are empty if it holds none.
  Block(const config::ModelConfig& config, const Parameters& parameters, tensor_parallel::TensorAxis& axis,
        std::int64_t layer);

  /// x [Rn, H] f32 -> a.x2 (x may be a.x2 when no backward follows). With a `cache` the new keys and values are
  /// appended to it and attention reads all of them. All tensor ranks call each of these together.
  void forward(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, tensor::View x,
               const BlockActivations& a, const BlockWork& work, KeyValueCache* cache = nullptr) const;
  /// Fills `a` again from x [Rn, H] with the bits of forward, up to what `recompute` does not keep; a.x2 is left as it
  /// is.
  void recompute(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, tensor::View x,
                 const BlockActivations& a, const BlockWork& work, Recompute recompute) const;
  /// dx [Rn, H] f32: gradient of x2 on entry, of x on return. LayerNorm gradients are added here; g keeps what
  /// backward_weight needs.
  void backward_input(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, tensor::View x,
                      const BlockActivations& a, const BlockGradients& g, const BlockWork& work, tensor::View dx) const;
  /// Gradients of the four matrices, = or +=, and of their biases, +=.
  void backward_weight(tensor::Device& device, const BlockActivations& a, const BlockGradients& g,
                       tensor::Accumulate accumulate) const;

 private:
  tensor::AttentionShape attention_shape(const MicroBatch& batch) const;
  tensor::AttentionMask mask(const MicroBatch& batch) const;
  void forward_to_activated(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout,
                            tensor::View x, const BlockActivations& a, const BlockWork& work,
                            KeyValueCache* cache) const;
  void norm(tensor::Device& device, const Norm& norm, tensor::View x, tensor::View y, tensor::View mean,
            tensor::View rstd) const;
  tensor::Dropout dropout_at(int place, const MicroBatch& batch, const DropoutSource& source) const;
  tensor::Dropout branch_dropout(int place, const MicroBatch& batch, const DropoutSource& source) const;

  tensor_parallel::TensorAxis* axis_;
  std::int64_t layer_;
  tensor::Range heads_;  // of the model, on this rank
  std::int64_t head_dim_;
  std::int64_t window_;  // of attention, 0: all keys
  tensor::Activation activation_;
  Norm norm1_, norm2_;
  Linear qkv_, projection_, up_, down_;
};

/// The enums of a configuration's names.
tensor::Activation activation_of(const std::string& name);
Recompute recompute_of(const std::string& name);

/// Window of attention in `layer`, 0 for all keys. Alternating attention is dense in even layers, locally banded in odd
/// ones (Brown et al. 2020, section 2.1).
std::int64_t attention_window(const config::ModelConfig& config, std::int64_t layer);

}  // namespace tessera::model
