// SPDX-License-Identifier: Apache-2.0
#include "model/gpt_stage.hpp"

#include <algorithm>

namespace tessera::model {

using tensor::View;

namespace {

constexpr std::uint32_t kEmbeddingSite = 0xFFFFFFFFu;  // no block reaches this dropout site
constexpr auto f32 = base::DType::f32;

void call(const std::function<void(int)>& hook, int group) {
  if (hook) hook(group);
}

/// Nothing where both are the same memory: without sequence parallelism.
void copy_rows(const View& from, const View& to) {
  if (from.data() != to.data()) std::copy_n(from.as<float>(), from.num_elements(), to.as<float>());
}

}  // namespace

GptStage::GptStage(tensor::Device& device, tensor_parallel::TensorAxis& axis, const config::ModelConfig& config,
                   const Parameters& parameters, const StageRoom& room, int chunk)
    : device_(&device),
      axis_(&axis),
      part_(parameters.placement().parts[static_cast<std::size_t>(chunk)]),
      sizes_{{config, parameters.placement(), room.max_batch * room.max_length,
              axis.rows(room.max_batch * room.max_length).size, parameters.dtype()},
             parameters.placement().vocabulary(config).size,
             axis.size()},
      room_(room) {
  take_parameters(config, parameters);
  arena_ =
      tensor::Arena(activation_bytes(config, parameters.placement(), axis.sequence(), parameters.dtype(), room, chunk));
  carve(arena_);
}

void GptStage::take_parameters(const config::ModelConfig& config, const Parameters& parameters) {
  first_token_ = parameters.placement().vocabulary(config).first;
  for (std::int64_t layer = part_.layers.first; layer < part_.layers.last(); ++layer)
    blocks_.emplace_back(config, parameters, *axis_, layer);
  first_block_group_ = parameters.get("blocks." + std::to_string(part_.layers.first) + ".attention_norm.gain").group;
  if (part_.embeds) {
    const Parameter &tokens = parameters.get("token_embedding"), &positions = parameters.get("position_embedding");
    tokens_ = {tokens.weight, first_token_};
    token_gradient_ = parameters.embedding_gradient();
    positions_ = positions.weight;
    position_gradient_ = positions.gradient;
    embedding_group_ = tokens.group;
    if (token_gradient_.data() != tokens.gradient.data()) folded_gradient_ = tokens.gradient;
    is_touched_.resize(static_cast<std::size_t>(tokens.weight.extent(0)));
  }
  if (part_.has_head) {
    const Parameter &gain = parameters.get("final_norm.gain"), &bias = parameters.get("final_norm.bias");
    final_norm_ = {gain.weight, bias.weight, gain.gradient, bias.gradient};
    const Parameter& head = parameters.get(config.tied_head ? "token_embedding" : "head.weight");
    head_ = {head.weight, {}, head.gradient, {}};
    head_group_ = gain.group;
    head_weight_group_ = head.group;
  }
  for (const Parameter& p : parameters.all()) {
    if (p.gradient.empty()) continue;
    sums_.resize(static_cast<std::size_t>(p.group) + 1);
    const bool added_to_only =
        p.spec.name == "position_embedding" || (p.spec.name == "token_embedding" && !config.tied_head);
    // A tied embedding is written by the head's product, where that is on this rank, and folded; else added to.
    const bool embeds_only = p.spec.name == "token_embedding" && config.tied_head && part_.embeds &&
                             folded_gradient_.empty() && !part_.has_head;
    if (p.spec.shape.num_dims() == 1 || added_to_only || embeds_only)
      sums_[static_cast<std::size_t>(p.group)].push_back(p.gradient);
  }
}

void GptStage::carve(tensor::Arena& arena) {
  const BlockShape& s = sizes_.block;
  layers_.clear();
  for (int slot = 0; slot < room_.slots; ++slot) {
    const Recompute recompute = room_.for_training ? room_.recompute : Recompute::none;
    // What recomputing fills again serves all slots.
    const BlockActivations shared = slot > 0                       ? layers_.front().front()
                                    : recompute != Recompute::none ? BlockActivations::carve_shared(arena, s, recompute)
                                                                   : BlockActivations{};
    layers_.emplace_back();
    for (std::int64_t block = 0; block < (room_.for_training ? part_.layers.size : 1); ++block)
      layers_.back().push_back(BlockActivations::carve_kept(arena, s, recompute, shared));
  }
  work_ = BlockWork::carve(arena, s);
  inputs_.clear();
  output_gradients_.clear();
  for (int slot = 0; slot < room_.message_slots; ++slot) {
    inputs_.push_back(arena.take(f32, {s.Rn, s.H}));
    if (room_.for_training) output_gradients_.push_back(arena.take(f32, {part_.embeds ? s.R : s.Rn, s.H}));
  }
  if (part_.embeds) embedded_ = s.Rn == s.R ? inputs_.front() : arena.take(f32, {s.R, s.H});
  if (part_.has_head) {
    norm_ = arena.take(s.dtype, {s.R, s.H});
    mean_ = arena.take(f32, {s.Rn});
    rstd_ = arena.take(f32, {s.Rn});
    logits_ = arena.take(s.dtype, {s.R, sizes_.vocabulary});
    losses_ = arena.take(f32, {s.R});
    if (sizes_.tensor_ranks > 1) statistics_ = arena.take(f32, {(sizes_.tensor_ranks + 1) * 3 * s.R});
  }
  gradients_.clear();
  if (!room_.for_training) return;
  const std::int64_t sets = room_.splits_backward ? room_.slots * part_.layers.size : 1;
  for (std::int64_t set = 0; set < sets; ++set) gradients_.push_back(BlockGradients::carve(arena, s));
}

std::size_t GptStage::activation_bytes(const config::ModelConfig& config, const Placement& placement, bool sequence,
                                       base::DType dtype, const StageRoom& room, int chunk) {
  const std::int64_t rows = room.max_batch * room.max_length;
  const int ranks = placement.mesh.tensor;
  const std::int64_t own = sequence ? tensor::part_of(rows, ranks, placement.at.tensor).size : rows;
  GptStage stage(placement.parts[static_cast<std::size_t>(chunk)],
                 {{config, placement, rows, own, dtype}, placement.vocabulary(config).size, ranks}, room);
  tensor::Arena measure;
  stage.carve(measure);
  return measure.used_bytes();
}

tensor::Dropout GptStage::embedding_dropout(const MicroBatch& batch, const MicroStep& step) const {
  return {step.dropout.rate, step.dropout.seed, kEmbeddingSite, batch.samples};
}

View GptStage::input(int micro, std::int64_t rows) const {
  return inputs_[static_cast<std::size_t>(micro % room_.message_slots)].rows(0, axis_->rows(rows).size);
}

View GptStage::output(int micro, std::int64_t rows) const {
  return activations(slot(micro), part_.layers.size - 1).x2.rows(0, axis_->rows(rows).size);
}

View GptStage::gradient(int micro, std::int64_t rows) const {
  return output_gradients_[static_cast<std::size_t>(micro % room_.message_slots)].rows(0, axis_->rows(rows).size);
}

View GptStage::block_input(int micro, std::int64_t block, std::int64_t rows) const {
  if (block == 0) return input(micro, rows);
  return activations(slot(micro), block - 1).x2.rows(0, axis_->rows(rows).size);
}

View GptStage::layer_output(std::int64_t block) const {
  return block < 0 ? inputs_.front() : activations(0, block).x2;
}

void GptStage::begin(int group, const MicroStep& step, const StageHooks& hooks) const {
  call(hooks.gradients_begin, group);
  if (step.accumulate == tensor::Accumulate::no)
    for (const View& sum : sums_[static_cast<std::size_t>(group)]) tensor::fill_zero(*device_, sum);
}

double GptStage::forward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  const std::int64_t R = batch.rows(), own = axis_->rows(R).size;
  View x = input(step.micro, R);
  if (part_.embeds) {
    // Without a cut of the rows the work space may be the input itself.
    const View all = sizes_.block.Rn == sizes_.block.R ? x : embedded_.rows(0, R);
    const View embedded = tensor_parallel::embed(*axis_, *device_, batch.tokens, tokens_, positions_, 0,
                                                 embedding_dropout(batch, step), all);
    copy_rows(embedded, x);
  }
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    const BlockActivations a = activations(slot(step.micro), static_cast<std::int64_t>(block)).first_rows(R, own);
    blocks_[block].forward(*device_, batch, step.dropout, x, a, work_.first_rows(R));
    x = a.x2;
    if (hooks.progress) hooks.progress();
  }
  return part_.has_head ? head_forward(batch, step, hooks) : 0.0;
}

double GptStage::head_forward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  const std::int64_t R = batch.rows(), own = axis_->rows(R).size;
  const View norm = norm_.rows(0, R), logits = logits_.rows(0, R), losses = losses_.rows(0, R);
  tensor::layernorm_forward(*device_, output(step.micro, R), final_norm_.gain, final_norm_.bias, Norm::epsilon,
                            axis_->own(norm), mean_.rows(0, own), rstd_.rows(0, own));
  axis_->gather(norm);
  head_.forward(*device_, norm, logits);
  tensor_parallel::cross_entropy(*axis_, *device_, logits, batch.targets.reshaped({R}), first_token_,
                                 step.gradient_scale, statistics_, losses);
  if (step.gradient_scale > 0) head_backward(batch, step, hooks);
  return tensor::sum(*device_, losses);
}

void GptStage::head_backward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  const std::int64_t R = batch.rows(), own = axis_->rows(R).size;
  const View dlogits = logits_.rows(0, R), dx = gradient(step.micro, R), work = work_.branch.rows(0, R);
  begin(head_group_, step, hooks);
  if (head_weight_group_ != head_group_) call(hooks.gradients_begin, head_weight_group_);
  head_.backward_input(*device_, dlogits, work);
  head_.backward_weight(*device_, dlogits, norm_.rows(0, R), step.accumulate);
  tensor::fill_zero(*device_, dx);
  tensor::layernorm_backward(*device_, axis_->sum(work), output(step.micro, R), final_norm_.gain, mean_.rows(0, own),
                             rstd_.rows(0, own), dx, final_norm_.gain_gradient, final_norm_.bias_gradient);
  call(hooks.gradients_ready, head_group_);
  if (head_weight_group_ != head_group_ && !part_.embeds) call(hooks.gradients_ready, head_weight_group_);
}

void GptStage::block_backward_input(std::int64_t block, const MicroBatch& batch, const MicroStep& step,
                                    const StageHooks& hooks) {
  const std::int64_t R = batch.rows();
  const auto at = static_cast<std::size_t>(block);
  const BlockActivations a = activations(slot(step.micro), block).first_rows(R, axis_->rows(R).size);
  const View x = block_input(step.micro, block, R);
  begin(first_block_group_ + static_cast<int>(block), step, hooks);
  blocks_[at].recompute(*device_, batch, step.dropout, x, a, work_.first_rows(R), room_.recompute);
  blocks_[at].backward_input(*device_, batch, step.dropout, x, a, block_gradients(slot(step.micro), at).first_rows(R),
                             work_.first_rows(R), gradient(step.micro, R));
}

void GptStage::block_backward_weight(std::int64_t block, const MicroBatch& batch, const MicroStep& step,
                                     const StageHooks& hooks) {
  const std::int64_t R = batch.rows();
  const auto at = static_cast<std::size_t>(block);
  const BlockActivations a = activations(slot(step.micro), block).first_rows(R, axis_->rows(R).size);
  // Since its backward_input() other blocks and micro-batches have filled what they share.
  if (room_.splits_backward)
    blocks_[at].recompute(*device_, batch, step.dropout, block_input(step.micro, block, R), a, work_.first_rows(R),
                          room_.recompute);
  blocks_[at].backward_weight(*device_, a, block_gradients(slot(step.micro), at).first_rows(R), step.accumulate);
  call(hooks.gradients_ready, first_block_group_ + static_cast<int>(block));
  if (hooks.progress) hooks.progress();
}

void GptStage::embedding_backward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  if (!part_.embeds) return;
  const std::int64_t R = batch.rows();
  begin(embedding_group_, step, hooks);
  View dx = output_gradients_[static_cast<std::size_t>(step.micro % room_.message_slots)].rows(0, R);
  const View own = axis_->own(dx);
  copy_rows(gradient(step.micro, R), own);
  tensor_parallel::embed_backward(*axis_, *device_, dx, batch.tokens, first_token_, embedding_dropout(batch, step),
                                  token_gradient_, position_gradient_);
  if (folded_gradient_.empty()) return call(hooks.gradients_ready, embedding_group_);
  for (const std::int32_t token : batch.tokens.span<std::int32_t>()) {
    const std::int64_t row = token - first_token_;
    if (row < 0 || row >= token_gradient_.extent(0) || is_touched_[static_cast<std::size_t>(row)]) continue;
    is_touched_[static_cast<std::size_t>(row)] = true;
    touched_rows_.push_back(static_cast<std::int32_t>(row));
  }
  call(hooks.gradients_ready, embedding_group_);
}

void GptStage::fold_embedding() {
  if (folded_gradient_.empty()) return;
  tensor::add_rows(*device_, touched_rows_, token_gradient_, folded_gradient_);
  for (const std::int32_t row : touched_rows_) is_touched_[static_cast<std::size_t>(row)] = false;
  touched_rows_.clear();
}

void GptStage::backward(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  for (std::int64_t block = part_.layers.size - 1; block >= 0; --block) {
    block_backward_input(block, batch, step, hooks);
    block_backward_weight(block, batch, step, hooks);
  }
  embedding_backward(batch, step, hooks);
}

void GptStage::backward_input(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  for (std::int64_t block = part_.layers.size - 1; block >= 0; --block) {
    block_backward_input(block, batch, step, hooks);
    if (hooks.progress) hooks.progress();
  }
}

void GptStage::backward_weight(const MicroBatch& batch, const MicroStep& step, const StageHooks& hooks) {
  for (std::int64_t block = part_.layers.size - 1; block >= 0; --block)
    block_backward_weight(block, batch, step, hooks);
  embedding_backward(batch, step, hooks);
}

}  // namespace tessera::model
