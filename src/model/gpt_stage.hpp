// SPDX-License-Identifier: Apache-2.0
// The model as a for-loop over blocks: embedding, blocks, final norm, head, loss. One stage holds the whole model until
// pipeline parallelism cuts it. Nothing here sends a message.
#pragma once

#include <functional>
#include <vector>

#include "model/block.hpp"

namespace tessera::model {

/// Called in backward when all gradients from element `first` of the flat buffer to its end are final for this
/// micro-batch.
using GradientReady = std::function<void(std::int64_t first)>;

class GptStage {
 public:
  /// Allocates activations for micro-batches of up to `max_batch` sequences of `max_length` tokens. `parameters` must
  /// outlive the stage; with `for_training` false only one layer's activations are kept and backward must not be
  /// called.
  GptStage(tensor::Device& device, const config::ModelConfig& config, const Parameters& parameters,
           std::int64_t max_batch, std::int64_t max_length, bool for_training);

  /// Sum of the losses (nats) of all targets that are not ignored. With `gradient_scale` > 0 the gradient of
  /// gradient_scale * sum is left for backward; 0: evaluation.
  double forward(const MicroBatch& batch, const DropoutSource& dropout, float gradient_scale);
  /// Adds the gradients of the last forward to the parameters' gradients (+=).
  void backward(const MicroBatch& batch, const DropoutSource& dropout, const GradientReady& ready);

  /// Loss of each row of the last forward, [R] (0 where ignored).
  tensor::View losses() const { return losses_; }
  /// After forward with gradient_scale 0: logits of each row, [R, V] of which the first R rows are valid.
  tensor::View logits() const { return logits_; }
  /// Output of layer `layer` (-1: of the embedding) and of the final norm in the last forward. Tests read them.
  tensor::View layer_output(std::int64_t layer) const;
  const BlockActivations& layer_activations(std::int64_t layer) const {
    return layers_[static_cast<std::size_t>(layer)];
  }
  tensor::View final_norm() const { return norm_; }

  /// Bytes of activations and work space the constructor allocates.
  static std::size_t activation_bytes(const config::ModelConfig& config, std::int64_t max_batch,
                                      std::int64_t max_length, bool for_training);

 private:
  void carve(tensor::Arena& arena, std::int64_t rows, bool for_training);
  tensor::Dropout embedding_dropout(const MicroBatch& batch, const DropoutSource& source) const;
  const BlockActivations& activations(std::int64_t layer) const {
    return layers_[static_cast<std::size_t>(for_training_ ? layer : 0)];
  }

  explicit GptStage(const config::ModelConfig& config) : config_(config) {}  // to measure only

  tensor::Device* device_ = nullptr;
  config::ModelConfig config_;
  bool for_training_ = true;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
  tensor::View token_table_, position_table_, token_gradient_, position_gradient_;
  std::vector<std::int64_t> first_element_;  // of each block in the flat buffers

  tensor::Arena arena_;
  std::vector<BlockActivations> layers_;  // one a layer in training, otherwise one
  BlockGradients gradients_;
  tensor::View embedded_;            // [R, H]
  tensor::View branch_;              // [R, H] work space
  tensor::View norm_, mean_, rstd_;  // [R, H], [R], [R] final norm
  tensor::View logits_;              // [R, V]; their gradient after a forward with gradient_scale > 0
  tensor::View losses_;              // [R]
  tensor::View residual_gradient_;   // [R, H]
};

}  // namespace tessera::model
