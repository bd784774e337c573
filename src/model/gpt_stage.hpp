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

/// What a stage has room for.
struct StageRoom {
  std::int64_t max_batch = 0, max_length = 0;  ///< sequences of a micro-batch, tokens of a sequence
  bool for_training = true;                    ///< false: one layer's activations are kept, backward must not be called
  Recompute recompute = Recompute::none;
};

class GptStage {
 public:
  /// Allocates activations in the element type of `parameters`, which must outlive the stage.
  GptStage(tensor::Device& device, const config::ModelConfig& config, const Parameters& parameters,
           const StageRoom& room);

  /// Sum of the losses (nats) of all targets that are not ignored. With `gradient_scale` > 0 the gradient of
  /// gradient_scale * sum is left for backward; 0: evaluation.
  double forward(const MicroBatch& batch, const DropoutSource& dropout, float gradient_scale);
  /// Gradients of the last forward into the parameters' gradients, = or +=. Replacing them saves the passes over memory
  /// that set them to zero and read them again.
  void backward(const MicroBatch& batch, const DropoutSource& dropout, tensor::Accumulate accumulate,
                const GradientReady& ready);

  /// Loss of each row of the last forward, [R] (0 where ignored).
  tensor::View losses() const { return losses_; }
  /// After forward with gradient_scale 0: logits of each row, [R, V] T, of which the first R rows are valid.
  tensor::View logits() const { return logits_; }
  /// Output [R, H] f32 of layer `layer` (-1: of the embedding) and activations of the last forward. Tests read them.
  tensor::View layer_output(std::int64_t layer) const;
  const BlockActivations& layer_activations(std::int64_t layer) const {
    return layers_[static_cast<std::size_t>(layer)];
  }
  tensor::View final_norm() const { return norm_; }  ///< [R, H] T

  /// Bytes of activations and work space the constructor allocates for parameters of type `dtype`.
  static std::size_t activation_bytes(const config::ModelConfig& config, base::DType dtype, const StageRoom& room);

 private:
  void carve(tensor::Arena& arena);
  tensor::Dropout embedding_dropout(const MicroBatch& batch, const DropoutSource& source) const;
  const BlockActivations& activations(std::int64_t layer) const {
    return layers_[static_cast<std::size_t>(room_.for_training ? layer : 0)];
  }

  GptStage(const config::ModelConfig& config, base::DType dtype, const StageRoom& room)  // to measure only
      : config_(config), dtype_(dtype), room_(room) {}

  tensor::Device* device_ = nullptr;
  config::ModelConfig config_;
  base::DType dtype_;
  StageRoom room_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
  tensor::View token_table_, position_table_, token_gradient_, position_gradient_;
  std::vector<std::int64_t> first_element_;  // of each block in the flat buffers
  std::vector<tensor::View> sums_;           // gradients that are sums whatever `accumulate`: all but those of products

  tensor::Arena arena_;
  std::vector<BlockActivations> layers_;  // one a layer in training, otherwise one
  BlockGradients gradients_;
  tensor::View embedded_;            // [R, H] f32
  tensor::View branch_;              // [R, H] T work space
  tensor::View norm_, mean_, rstd_;  // [R, H] T, [R], [R] f32 final norm
  tensor::View logits_;              // [R, V] T; their gradient after a forward with gradient_scale > 0
  tensor::View losses_;              // [R] f32
  tensor::View residual_gradient_;   // [R, H] f32
};

}  // namespace tessera::model
