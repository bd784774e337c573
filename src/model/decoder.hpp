// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "comm/communicator.hpp"
#include "model/block.hpp"
#include "tensor_parallel/vocabulary.hpp"

namespace tessera::model {

/// The ranks that hold a model together for generation.
struct DecoderRanks {
  tensor_parallel::TensorAxis* tensor = nullptr;  ///< without sequence parallelism
  const comm::Communicator* pipeline = nullptr;   ///< ordered by stage; nullptr: one stage
};

/// Next-token logits of one sequence with a key-value cache: each token is computed once, in f32 also for models that
/// were trained in bf16. The parts of the model may lie on several ranks, which then call every member together with
/// the same arguments and get the same results.
class Decoder {
 public:
  /// `parameters`, with one part of the model, and `ranks` must outlive the decoder. Allocates the cache for
  /// config.context positions. `document_end` >= 0: the token behind which a document begins, and tokens see only their
  /// own document, as in training with data.document_mask.
  Decoder(tensor::Device& device, const DecoderRanks& ranks, const config::ModelConfig& config,
          const Parameters& parameters, std::int32_t document_end = -1);

  /// Appends `tokens` (at least one; length() + tokens <= context, otherwise std::logic_error) and returns the logits
  /// [V] that follow the last of them; valid until the next call.
  std::span<const float> feed(std::span<const std::int32_t> tokens);
  /// Forgets everything fed.
  void reset();
  std::int64_t length() const { return caches_.empty() ? 0 : caches_.front().length; }
  std::int64_t context() const { return config_.context; }
  std::int64_t vocab() const { return config_.vocab; }

 private:
  void carve(tensor::Arena& arena, const BlockShape& shape);
  MicroBatch batch_of(std::span<const std::int32_t> tokens);
  void feed_chunk(std::span<const std::int32_t> tokens);
  void enter(const MicroBatch& batch, tensor::View x);
  void head(tensor::View last);
  void leave(tensor::View x);

  tensor::Device* device_;
  DecoderRanks ranks_;
  config::ModelConfig config_;
  Placement placement_;
  std::int32_t document_end_;
  std::int32_t document_start_ = 0;  // position where the document of the next token began
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
  tensor::View token_table_, position_table_;
  tensor::Arena arena_;
  std::vector<KeyValueCache> caches_;  // [1, C, Ht] keys and values of each layer
  BlockActivations activations_;       // for one chunk of tokens, shared by all layers
  BlockWork work_;
  tensor::View tokens_, starts_;     // [1, rows] i32: ids, and where their documents begin
  tensor::View x_;                   // [rows, H]
  tensor::View norm_, mean_, rstd_;  // [1, H], [1], [1] of the last row
  tensor::View part_logits_;         // [1, Vm], Vm the largest part of the vocabulary that a rank has
  tensor::View all_parts_;           // [P, Vm]
  tensor::View logits_;              // [1, V]
};

}  // namespace tessera::model
