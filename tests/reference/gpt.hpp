// SPDX-License-Identifier: Apache-2.0
// A whole GPT in double precision and plain loops, every intermediate value kept: the specification of src/model.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "reference/gpt_layers.hpp"

namespace tessera::reference {

struct GptConfig {
  std::size_t layers = 0, hidden = 0, heads = 0, context = 0, vocab = 0;
  std::string activation = "gelu_tanh";
  bool tied_head = true;
  double epsilon = 1e-5;   // of LayerNorm
  std::size_t window = 0;  // of attention in odd layers; 0: none
};

/// Tensors by full name ("blocks.0.mlp.up.weight"), matrices [out, in].
using Weights = std::map<std::string, Values>;

struct BlockTrace {
  Values x;             // [R, H] input
  Values norm1;         // [R, H] attention's input
  Values q, k, v;       // [B, T, A, D]
  Attention attention;  // its out is [R, H]
  Values projected;     // [R, H] attention's output projection
  Values x1;            // [R, H] residual stream in the middle
  Values norm2;         // [R, H] mlp's input
  Values up;            // [R, F] before the activation function
  Values activated;     // [R, F] after it
  Values down;          // [R, H] mlp's output
  Values x2;            // [R, H] output
};

struct GptTrace {
  std::size_t batch = 0, length = 0;          // B, T; R = B T
  std::vector<std::int32_t> tokens, targets;  // [R]
  Values embedded;                            // [R, H]
  std::vector<BlockTrace> blocks;
  Values final_norm;            // [R, H]
  Values logits;                // [R, V]
  Values losses;                // [R] nats, 0 where ignored
  std::size_t num_targets = 0;  // that are not ignored
  double mean_loss = 0;         // sum of losses / num_targets; 0 without targets
};

/// tokens [B, T], T <= context; targets [B, T] with -1 for ignored ones, or empty for no loss.
GptTrace forward(const GptConfig& config, const Weights& weights, const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& targets, std::size_t batch);

/// Gradient of mean_loss, a tensor for each weight.
Weights backward(const GptConfig& config, const Weights& weights, const GptTrace& trace);

/// Constants of AdamW with clipping by global norm.
struct AdamwSettings {
  double lr = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0, clip_norm = 0;
};

/// AdamW on all weights: gradients times min(1, clip_norm / norm), decay decoupled and on matrices only (names that
/// end neither in ".bias" nor in ".gain").
class AdamW {
 public:
  explicit AdamW(const AdamwSettings& settings) : settings_(settings) {}
  /// One update. Returns the norm of all gradients before clipping.
  double step(Weights& weights, const Weights& gradients);

 private:
  AdamwSettings settings_;
  std::int64_t num_updates_ = 0;
  Weights m_, v_;
};

}  // namespace tessera::reference
