// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/block.hpp"

namespace tessera::model {

/// Next-token logits of one sequence with a key-value cache: each token is computed once, in f32 also for models that
/// were trained in bf16.
class Decoder {
 public:
  /// `parameters` must outlive the decoder. Allocates the cache for config.context positions. `document_end` >= 0: the
  /// token behind which a document begins, and tokens see only their own document, as in training with
  /// data.document_mask.
  Decoder(tensor::Device& device, const config::ModelConfig& config, const Parameters& parameters,
          std::int32_t document_end = -1);

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
  std::int32_t document_end_;
  std::int32_t document_start_ = 0;  // position where the document of the next token began
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
  tensor::View token_table_, position_table_;
  tensor::Arena arena_;
  std::vector<KeyValueCache> caches_;  // [1, C, H] keys and values of each layer
  BlockActivations activations_;       // for one chunk of tokens, shared by all layers
  tensor::View tokens_, starts_;       // [1, rows] i32: ids, and where their documents begin
  tensor::View x_, branch_;            // [rows, H]
  tensor::View norm_, mean_, rstd_;    // [1, H], [1], [1] of the last row
  tensor::View logits_;                // [1, V]
};

}  // namespace tessera::model
