// SPDX-License-Identifier: Apache-2.0
#include "model/gpt_stage.hpp"

namespace tessera::model {

using tensor::View;

namespace {
constexpr std::uint32_t kEmbeddingSite = 0xFFFFFFFFu;  // no block reaches this dropout site
}

GptStage::GptStage(tensor::Device& device, const config::ModelConfig& config, const Parameters& parameters,
                   const StageRoom& room)
    : device_(&device), config_(config), dtype_(parameters.dtype()), room_(room) {
  const auto& tokens = parameters.get("token_embedding");
  const auto& positions = parameters.get("position_embedding");
  const auto &gain = parameters.get("final_norm.gain"), &bias = parameters.get("final_norm.bias");
  const auto& head = config.tied_head ? tokens : parameters.get("head.weight");
  token_table_ = tokens.weight;
  token_gradient_ = tokens.gradient;
  position_table_ = positions.weight;
  position_gradient_ = positions.gradient;
  final_norm_ = {gain.weight, bias.weight, gain.gradient, bias.gradient};
  head_ = {head.weight, {}, head.gradient, {}};
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    blocks_.emplace_back(config, parameters, layer);
    first_element_.push_back(parameters.get("blocks." + std::to_string(layer) + ".attention_norm.gain").offset);
  }
  const auto is_product = [&](const Parameter& p) {
    return p.weight.shape().num_dims() > 1 && p.spec.name != "position_embedding" &&
           (config.tied_head || p.spec.name != "token_embedding");
  };
  for (const Parameter& p : parameters.all())
    if (!p.gradient.empty() && !is_product(p)) sums_.push_back(p.gradient);
  arena_ = tensor::Arena(activation_bytes(config, dtype_, room));
  carve(arena_);
}

void GptStage::carve(tensor::Arena& arena) {
  const std::int64_t H = config_.hidden, rows = room_.max_batch * room_.max_length;
  const auto take = [&](base::DType dtype, tensor::Shape shape) { return arena.take(dtype, shape); };
  layers_.clear();
  BlockActivations shared;
  if (room_.for_training && room_.recompute != Recompute::none)
    shared = BlockActivations::carve_shared(arena, config_, rows, dtype_, room_.recompute);
  for (std::int64_t layer = 0; layer < (room_.for_training ? config_.layers : 1); ++layer)
    layers_.push_back(BlockActivations::carve_kept(arena, config_, rows, dtype_,
                                                   room_.for_training ? room_.recompute : Recompute::none, shared));
  embedded_ = take(base::DType::f32, {rows, H});
  branch_ = take(dtype_, {rows, H});
  norm_ = take(dtype_, {rows, H});
  mean_ = take(base::DType::f32, {rows});
  rstd_ = take(base::DType::f32, {rows});
  logits_ = take(dtype_, {rows, config_.vocab});
  losses_ = take(base::DType::f32, {rows});
  if (!room_.for_training) return;
  gradients_ = BlockGradients::carve(arena, config_, rows, dtype_);
  residual_gradient_ = take(base::DType::f32, {rows, H});
}

std::size_t GptStage::activation_bytes(const config::ModelConfig& config, base::DType dtype, const StageRoom& room) {
  GptStage stage(config, dtype, room);
  tensor::Arena measure;
  stage.carve(measure);
  return measure.used_bytes();
}

tensor::Dropout GptStage::embedding_dropout(const MicroBatch& batch, const DropoutSource& source) const {
  return {source.rate, source.seed, kEmbeddingSite, batch.samples};
}

View GptStage::layer_output(std::int64_t layer) const {
  return layer < 0 ? embedded_ : activations(layer).x2;
}

double GptStage::forward(const MicroBatch& batch, const DropoutSource& dropout, float gradient_scale) {
  const std::int64_t R = batch.rows();
  View x = embedded_.rows(0, R);
  tensor::embedding_lookup(*device_, batch.tokens, token_table_, 0, x);
  tensor::embedding_positions(*device_, position_table_, batch.length(), 0, 0, embedding_dropout(batch, dropout), x);
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    const BlockActivations a = activations(static_cast<std::int64_t>(layer)).first_rows(R, config_.heads);
    blocks_[layer].forward(*device_, batch, dropout, x, a, branch_.rows(0, R));
    x = a.x2;
  }
  tensor::layernorm_forward(*device_, x, final_norm_.gain, final_norm_.bias, Norm::epsilon, norm_.rows(0, R),
                            mean_.rows(0, R), rstd_.rows(0, R));
  head_.forward(*device_, norm_.rows(0, R), logits_.rows(0, R));
  const View targets = batch.targets.reshaped({R}), losses = losses_.rows(0, R);
  if (gradient_scale > 0)
    tensor::cross_entropy_forward_backward(*device_, logits_.rows(0, R), targets, gradient_scale, losses);
  else
    tensor::cross_entropy_forward(*device_, logits_.rows(0, R), targets, losses);
  return tensor::sum(*device_, losses);
}

void GptStage::backward(const MicroBatch& batch, const DropoutSource& dropout, tensor::Accumulate accumulate,
                        const GradientReady& ready) {
  if (accumulate == tensor::Accumulate::no)
    for (const View& sum : sums_) tensor::fill_zero(*device_, sum);
  const std::int64_t R = batch.rows();
  const BlockGradients g = gradients_.first_rows(R);
  const View dlogits = logits_.rows(0, R), dx = residual_gradient_.rows(0, R);
  head_.backward_input(*device_, dlogits, g.branch);
  head_.backward_weight(*device_, dlogits, norm_.rows(0, R), accumulate);
  tensor::fill_zero(*device_, dx);
  tensor::layernorm_backward(*device_, g.branch, layer_output(config_.layers - 1).rows(0, R), final_norm_.gain,
                             mean_.rows(0, R), rstd_.rows(0, R), dx, final_norm_.gain_gradient,
                             final_norm_.bias_gradient);
  for (std::int64_t layer = config_.layers - 1; layer >= 0; --layer) {
    const BlockActivations a = activations(layer).first_rows(R, config_.heads);
    const Block& block = blocks_[static_cast<std::size_t>(layer)];
    const View x = layer_output(layer - 1).rows(0, R);
    block.recompute(*device_, batch, dropout, x, a, branch_.rows(0, R), room_.recompute);
    block.backward_input(*device_, batch, dropout, x, a, g, dx);
    block.backward_weight(*device_, a, g, accumulate);
    ready(first_element_[static_cast<std::size_t>(layer)]);
  }
  tensor::dropout_backward(*device_, dx, embedding_dropout(batch, dropout), dx);
  tensor::embedding_backward_positions(*device_, dx, batch.length(), 0, position_gradient_);
  tensor::embedding_backward_tokens(*device_, dx, batch.tokens, 0, token_gradient_);
  ready(0);
}

}  // namespace tessera::model
