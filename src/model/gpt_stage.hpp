// SPDX-License-Identifier: Apache-2.0
// One part of the model as a for-loop over its blocks: embedding if it is the first, final norm, head and loss if it is
// the last. Messages between parts are the pipeline's; those inside a block the tensor axis's.
#pragma once

#include <functional>
#include <vector>

#include "model/block.hpp"
#include "tensor_parallel/vocabulary.hpp"

namespace tessera::model {

/// What a stage has room for.
struct StageRoom {
  std::int64_t max_batch = 0, max_length = 0;  ///< sequences of a micro-batch, tokens of a sequence
  bool for_training = true;                    ///< false: one layer's activations are kept, backward must not be called
  Recompute recompute = Recompute::none;
  int slots = 1;                 ///< micro-batches whose activations are kept at a time
  int message_slots = 1;         ///< of inputs and gradients: one more lets a message arrive while all slots are in use
  bool splits_backward = false;  ///< backward_input and backward_weight are called apart
};

/// One micro-batch of a step.
struct MicroStep {
  int micro = 0;  ///< its number in the step: slots are taken in turns
  DropoutSource dropout{};
  float gradient_scale = 0;  ///< the gradient is that of scale * sum of losses; 0: evaluation, no backward follows
  tensor::Accumulate accumulate = tensor::Accumulate::no;  ///< whether weight gradients are replaced or added to
};

/// Told by a stage while it computes; each may be empty.
struct StageHooks {
  std::function<void(int group)> gradients_begin;  ///< those of a group are about to be written
  std::function<void(int group)> gradients_ready;  ///< those of a group are final for this micro-batch
  std::function<void()> progress;                  ///< between two layers: messages in flight may be moved on
};

class GptStage {
 public:
  /// Allocates activations in the element type of `parameters`, which must outlive the stage, as must `axis`. The part
  /// of the model is parameters.placement().parts[chunk].
  GptStage(tensor::Device& device, tensor_parallel::TensorAxis& axis, const config::ModelConfig& config,
           const Parameters& parameters, const StageRoom& room, int chunk = 0);

  /// input() or the embedded tokens -> output(). The last part returns the sum of the losses (nats) of all targets that
  /// are not ignored, others 0. With a gradient scale the last part also runs backward through head and final norm,
  /// while the logits are there: no other micro-batch's logits are ever kept, and gradient() holds that of output().
  double forward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks = {});
  /// gradient(): of output() on entry, of input() on return. Weight gradients = or += .
  void backward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks = {});
  /// The halves of backward, with room.splits_backward only: in the order of forward each.
  void backward_input(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks = {});
  void backward_weight(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks = {});
  /// The first part, after the last micro-batch, or the only one, of a sum over ranks: adds the gradients of a tied
  /// embedding's two uses. A no-op where embedding and head are not on one rank.
  void fold_embedding();

  const StageRoom& room() const { return room_; }
  /// Residual stream [Rn, H] f32 at both ends for `rows` rows of micro-batch `micro`, and its gradient.
  tensor::View input(int micro, std::int64_t rows) const;
  tensor::View output(int micro, std::int64_t rows) const;
  tensor::View gradient(int micro, std::int64_t rows) const;

  /// Loss of each row of the last forward, [R] (0 where ignored).
  tensor::View losses() const { return losses_; }
  /// After forward without gradient scale: logits of each row, [R, Vt] T, of which the first R rows are valid.
  tensor::View logits() const { return logits_; }
  /// Output [Rn, H] f32 of block `block` of this part (-1: its input) and activations, of slot 0. Tests read them.
  tensor::View layer_output(std::int64_t block) const;
  const BlockActivations& layer_activations(std::int64_t block) const { return activations(0, block); }
  tensor::View final_norm() const { return norm_; }  ///< [R, H] T

  /// Bytes of activations and work space that the constructor allocates. Pure.
  static std::size_t activation_bytes(const config::ModelConfig& config, const Placement& placement, bool sequence,
                                      base::DType dtype, const StageRoom& room, int chunk = 0);

 private:
  struct Sizes {
    BlockShape block;
    std::int64_t vocabulary;  // Vt
    int tensor_ranks;
  };
  GptStage(const Part& part, const Sizes& sizes, const StageRoom& room)  // to measure only
      : part_(part), sizes_(sizes), room_(room) {}
  void carve(tensor::Arena& arena);
  void take_parameters(const config::ModelConfig& config, const Parameters& parameters);
  std::size_t slot(int micro) const { return static_cast<std::size_t>(micro % room_.slots); }
  const BlockActivations& activations(std::size_t slot, std::int64_t block) const {
    return layers_[slot][static_cast<std::size_t>(room_.for_training ? block : 0)];
  }
  const BlockGradients& block_gradients(std::size_t slot, std::size_t block) const {
    return gradients_[room_.splits_backward ? slot * blocks_.size() + block : 0];
  }
  tensor::View block_input(int micro, std::int64_t block, std::int64_t rows) const;
  tensor::Dropout embedding_dropout(const MicroBatch& batch, const MicroStep& step) const;
  double head_forward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks);
  void head_backward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks);
  void block_backward_input(std::int64_t block, const MicroBatch& batch, const MicroStep& step,
                            const StageHooks& hooks);
  void block_backward_weight(std::int64_t block, const MicroBatch& batch, const MicroStep& step,
                             const StageHooks& hooks);
  void embedding_backward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks);
  void begin(int group, const MicroStep& step, const StageHooks& hooks) const;

  tensor::Device* device_ = nullptr;
  tensor_parallel::TensorAxis* axis_ = nullptr;
  Part part_;
  Sizes sizes_;
  StageRoom room_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  Linear head_;
  tensor_parallel::VocabularyPart tokens_;
  std::int64_t first_token_ = 0;
  tensor::View positions_, token_gradient_, position_gradient_, folded_gradient_;
  int embedding_group_ = -1, first_block_group_ = -1, head_group_ = -1;
  int head_weight_group_ = -1;                   // a tied one belongs to the embedding's
  std::vector<std::vector<tensor::View>> sums_;  // by group: gradients that are sums whatever `accumulate` says: all
                                                 // but those of products
  std::vector<std::int32_t> touched_rows_;       // of the token table, since the last fold
  std::vector<bool> is_touched_;

  tensor::Arena arena_;
  std::vector<std::vector<BlockActivations>> layers_;  // [slots] one a layer in training, otherwise one
  std::vector<BlockGradients> gradients_;              // one, or [slots * blocks]
  BlockWork work_;
  std::vector<tensor::View> inputs_, output_gradients_;  // [message slots] of [Rn, H] f32
  tensor::View embedded_;                                // [R, H] f32 work space of the first part
  tensor::View norm_, mean_, rstd_;                      // [R, H] T, [Rn], [Rn] f32 final norm
  tensor::View logits_;      // [R, Vt] T; their gradient after a forward with a gradient scale
  tensor::View statistics_;  // (P + 1) * 3 * R f32, if the vocabulary is cut
  tensor::View losses_;      // [R] f32
};

}  // namespace tessera::model
