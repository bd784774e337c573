// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/block.hpp"

namespace tessera::model {

/// Next-token logits of one sequence with a key-value cache: each token is computed once.
class Decoder {
 public:
  /// `parameters` must outlive the decoder. Allocates the cache for config.context positions.
  Decoder(tensor::Device& device, const config::ModelConfig& config, const Parameters& parameters);

  /// Appends `tokens` (at least one; length() + tokens <= context, otherwise std::logic_error) and returns the logits
  /// [V] that follow the last of them; valid until the next call.
  std::span<const float> feed(std::span<const std::int32_t> tokens);
  /// Forgets everything fed.
  void reset();
  std::int64_t length() const { return caches_.empty() ? 0 : caches_.front().length; }
  std::int64_t context() const { return config_.context; }

 private:
  std::span<const float> feed_chunk(std::span<const std::int32_t> tokens);

  tensor::Device* device_;
  config::ModelConfig config_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
  tensor::View token_table_, position_table_;
  tensor::Arena arena_;
  std::vector<KeyValueCache> caches_;  // [1, C, H] keys and values of each layer
  BlockActivations activations_;       // for one chunk of tokens, shared by all layers
  tensor::View tokens_;                // [1, rows] i32
  tensor::View x_, branch_;            // [rows, H] f32, T
  tensor::View norm_, mean_, rstd_;    // [1, H] T, [1], [1] f32: of the last row
  tensor::View logits_;                // [1, V] T
  tensor::View wide_logits_;           // [1, V] f32: the same, used if T is bf16
};

}  // namespace tessera::model
