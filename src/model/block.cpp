// SPDX-License-Identifier: Apache-2.0
#include "model/block.hpp"

#include <cstring>
#include <fmt/core.h>
#include <vector>

#include "base/error.hpp"

namespace tessera::model {
namespace {

using tensor::View;

// Sites of dropout masks: layer * 4 + place. The embedding has a site of its own (gpt_stage.cpp).
enum Place { attention_probabilities = 0, attention_branch = 1, mlp_branch = 2 };

View column(View packed, std::int64_t first_column) {
  auto* data = static_cast<std::byte*>(packed.data()) +
               static_cast<std::size_t>(first_column) * base::size_bytes(packed.dtype());
  return {data, packed.dtype(), packed.shape()};
}

tensor::AttentionSource columns(View packed, std::int64_t length, std::int64_t first_column) {
  const std::int64_t stride = packed.extent(1);
  return {column(packed, first_column).data(), length * stride, stride, packed.dtype()};
}

tensor::AttentionSource whole_cache(View cache) {
  return {cache.data(), cache.extent(1) * cache.extent(2), cache.extent(2), cache.dtype()};
}

/// Copies the new rows [B, T, H] found at `from` behind the past in `cache` [B, C, H].
void append(const tensor::AttentionSource& from, std::int64_t batch, std::int64_t length, std::int64_t past,
            View cache) {
  const std::int64_t C = cache.extent(1), H = cache.extent(2);
  const std::size_t size = base::size_bytes(cache.dtype());
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < length; ++t)
      std::memcpy(static_cast<std::byte*>(cache.data()) + static_cast<std::size_t>((b * C + past + t) * H) * size,
                  static_cast<const std::byte*>(from.data) +
                      static_cast<std::size_t>(b * from.batch_stride + t * from.row_stride) * size,
                  static_cast<std::size_t>(H) * size);
}

}  // namespace

namespace {

/// One activation of a block: what forward keeps it for, its type and shape.
struct Kept {
  View BlockActivations::*member;
  Recompute most;  // kept under this mode and the ones before it
  base::DType dtype;
  tensor::Shape shape;
};

std::vector<Kept> kept_activations(const config::ModelConfig& config, std::int64_t R, base::DType dtype) {
  using A = BlockActivations;
  const std::int64_t H = config.hidden, F = config.mlp();
  constexpr auto f32 = base::DType::f32;
  constexpr auto none = Recompute::none, selective = Recompute::selective, full = Recompute::full;
  return {{&A::norm1, none, dtype, {R, H}},
          {&A::mean1, selective, f32, {R}},
          {&A::rstd1, selective, f32, {R}},
          {&A::qkv, selective, dtype, {R, 3 * H}},
          {&A::attention, selective, dtype, {R, H}},
          {&A::lse, selective, f32, {R * config.heads}},
          {&A::x1, selective, f32, {R, H}},
          {&A::norm2, none, dtype, {R, H}},
          {&A::mean2, selective, f32, {R}},
          {&A::rstd2, selective, f32, {R}},
          {&A::up, selective, dtype, {R, F}},
          {&A::activated, none, dtype, {R, F}},
          {&A::x2, full, f32, {R, H}}};
}

}  // namespace

BlockActivations BlockActivations::carve(tensor::Arena& arena, const config::ModelConfig& config, std::int64_t rows,
                                         base::DType dtype) {
  return carve_kept(arena, config, rows, dtype, Recompute::none, {});
}

BlockActivations BlockActivations::carve_shared(tensor::Arena& arena, const config::ModelConfig& config,
                                                std::int64_t rows, base::DType dtype, Recompute recompute) {
  BlockActivations shared;
  for (const Kept& kept : kept_activations(config, rows, dtype))
    if (kept.most < recompute) shared.*kept.member = arena.take(kept.dtype, kept.shape);
  return shared;
}

BlockActivations BlockActivations::carve_kept(tensor::Arena& arena, const config::ModelConfig& config,
                                              std::int64_t rows, base::DType dtype, Recompute recompute,
                                              const BlockActivations& shared) {
  BlockActivations own = shared;
  for (const Kept& kept : kept_activations(config, rows, dtype))
    if (recompute <= kept.most) own.*kept.member = arena.take(kept.dtype, kept.shape);
  return own;
}

BlockActivations BlockActivations::first_rows(std::int64_t rows, std::int64_t heads) const {
  const auto cut = [rows](const View& view) { return view.rows(0, rows); };
  return {cut(norm1), cut(mean1), cut(rstd1), cut(qkv),   cut(attention), lse.rows(0, rows * heads),
          cut(x1),    cut(norm2), cut(mean2), cut(rstd2), cut(up),        cut(activated),
          cut(x2)};
}

BlockGradients BlockGradients::first_rows(std::int64_t rows) const {
  return {down_out.rows(0, rows), up_out.rows(0, rows), projection_out.rows(0, rows), qkv.rows(0, rows),
          branch.rows(0, rows)};
}

BlockGradients BlockGradients::carve(tensor::Arena& arena, const config::ModelConfig& config, std::int64_t rows,
                                     base::DType dtype) {
  const std::int64_t H = config.hidden, F = config.mlp();
  const auto take = [&](tensor::Shape shape) { return arena.take(dtype, shape); };
  return {take({rows, H}), take({rows, F}), take({rows, H}), take({rows, 3 * H}), take({rows, H})};
}

tensor::Activation activation_of(const std::string& name) {
  if (name == "gelu_tanh") return tensor::Activation::gelu_tanh;
  if (name == "gelu") return tensor::Activation::gelu;
  if (name == "relu") return tensor::Activation::relu;
  if (name == "silu") return tensor::Activation::silu;
  base::fail_usage("model.activation = '{}' is not one of gelu_tanh, gelu, relu, silu", name);
}

Recompute recompute_of(const std::string& name) {
  if (name == "none") return Recompute::none;
  if (name == "selective") return Recompute::selective;
  if (name == "full") return Recompute::full;
  base::fail_usage("run.recompute = '{}' is not one of none, selective, full", name);
}

std::int64_t attention_window(const config::ModelConfig& config, std::int64_t layer) {
  return config.attention == "alternating" && layer % 2 == 1 ? config.window : 0;
}

Block::Block(const config::ModelConfig& config, const Parameters& parameters, std::int64_t layer)
    : layer_(layer),
      hidden_(config.hidden),
      heads_(config.heads),
      window_(attention_window(config, layer)),
      activation_(activation_of(config.activation)) {
  const std::string block = fmt::format("blocks.{}.", layer);
  const auto norm = [&](const std::string& name) {
    const Parameter &gain = parameters.get(block + name + ".gain"), &bias = parameters.get(block + name + ".bias");
    return Norm{gain.weight, bias.weight, gain.gradient, bias.gradient};
  };
  const auto linear = [&](const std::string& name) {
    const Parameter &weight = parameters.get(block + name + ".weight"), &bias = parameters.get(block + name + ".bias");
    return Linear{weight.weight, bias.weight, weight.gradient, bias.gradient};
  };
  norm1_ = norm("attention_norm");
  norm2_ = norm("mlp_norm");
  const std::string query = block + "attention.query.";
  qkv_ = {parameters.joined_weight(query + "weight", 3), parameters.joined_weight(query + "bias", 3),
          parameters.joined_gradient(query + "weight", 3), parameters.joined_gradient(query + "bias", 3)};
  projection_ = linear("attention.output");
  up_ = linear("mlp.up");
  down_ = linear("mlp.down");
}

tensor::AttentionShape Block::attention_shape(const MicroBatch& batch) const {
  return {batch.batch(), heads_, hidden_ / heads_, batch.length(), batch.length()};
}

tensor::Dropout Block::dropout_at(int place, const MicroBatch& batch, const DropoutSource& source) const {
  return {source.rate, source.seed, static_cast<std::uint32_t>(layer_ * 4 + place), batch.samples};
}

tensor::AttentionMask Block::mask(const MicroBatch& batch) const {
  tensor::AttentionMask mask;
  mask.window = window_;
  mask.document_starts = batch.document_starts;
  return mask;
}

void Block::forward_to_activated(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                                 const BlockActivations& a, View branch, KeyValueCache* cache) const {
  const std::int64_t T = batch.length();
  tensor::layernorm_forward(device, x, norm1_.gain, norm1_.bias, Norm::epsilon, a.norm1, a.mean1, a.rstd1);
  qkv_.forward(device, a.norm1, a.qkv);
  tensor::AttentionShape shape = attention_shape(batch);
  tensor::AttentionSource key = columns(a.qkv, T, hidden_), value = columns(a.qkv, T, 2 * hidden_);
  tensor::AttentionMask mask = this->mask(batch);
  if (cache) {
    append(key, shape.batch, T, cache->length, cache->keys);
    append(value, shape.batch, T, cache->length, cache->values);
    mask.query_offset = cache->length;
    cache->length += T;
    shape.keys = cache->length;
    key = whole_cache(cache->keys);
    value = whole_cache(cache->values);
  }
  tensor::attention_forward(device, shape, columns(a.qkv, T, 0), key, value, mask,
                            dropout_at(attention_probabilities, batch, dropout), columns(a.attention, T, 0),
                            a.lse.reshaped({batch.batch(), heads_, T}));
  projection_.forward(device, a.attention, branch);
  tensor::residual_layernorm_forward(device, x, branch, dropout_at(attention_branch, batch, dropout), norm2_.gain,
                                     norm2_.bias, Norm::epsilon, a.x1, a.norm2, a.mean2, a.rstd2);
  up_.forward(device, a.norm2, a.up);
  tensor::activation_forward(device, activation_, a.up, a.activated);
}

void Block::forward(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                    const BlockActivations& a, View branch, KeyValueCache* cache) const {
  forward_to_activated(device, batch, dropout, x, a, branch, cache);
  down_.forward(device, a.activated, branch);
  tensor::residual_forward(device, a.x1, branch, dropout_at(mlp_branch, batch, dropout), a.x2);
}

void Block::recompute(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                      const BlockActivations& a, View branch, Recompute recompute) const {
  if (recompute == Recompute::full) forward_to_activated(device, batch, dropout, x, a, branch, nullptr);
  if (recompute != Recompute::selective) return;
  tensor::layernorm_forward(device, x, norm1_.gain, norm1_.bias, Norm::epsilon, a.norm1, a.mean1, a.rstd1);
  tensor::layernorm_forward(device, a.x1, norm2_.gain, norm2_.bias, Norm::epsilon, a.norm2, a.mean2, a.rstd2);
  tensor::activation_forward(device, activation_, a.up, a.activated);
}

void Block::backward_input(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                           const BlockActivations& a, const BlockGradients& g, View dx) const {
  const std::int64_t T = batch.length();
  tensor::dropout_backward(device, dx, dropout_at(mlp_branch, batch, dropout), g.down_out);
  down_.backward_input(device, g.down_out, g.up_out);
  tensor::activation_backward(device, activation_, a.up, g.up_out, g.up_out);
  up_.backward_input(device, g.up_out, g.branch);
  tensor::layernorm_backward(device, g.branch, a.x1, norm2_.gain, a.mean2, a.rstd2, dx, norm2_.gain_gradient,
                             norm2_.bias_gradient);

  tensor::dropout_backward(device, dx, dropout_at(attention_branch, batch, dropout), g.projection_out);
  projection_.backward_input(device, g.projection_out, g.branch);
  tensor::attention_backward(device, attention_shape(batch), columns(a.qkv, T, 0), columns(a.qkv, T, hidden_),
                             columns(a.qkv, T, 2 * hidden_), mask(batch),
                             dropout_at(attention_probabilities, batch, dropout), columns(a.attention, T, 0),
                             columns(g.branch, T, 0), a.lse.reshaped({batch.batch(), heads_, T}), columns(g.qkv, T, 0),
                             columns(g.qkv, T, hidden_), columns(g.qkv, T, 2 * hidden_));
  qkv_.backward_input(device, g.qkv, g.branch);
  tensor::layernorm_backward(device, g.branch, x, norm1_.gain, a.mean1, a.rstd1, dx, norm1_.gain_gradient,
                             norm1_.bias_gradient);
}

void Block::backward_weight(tensor::Device& device, const BlockActivations& a, const BlockGradients& g,
                            tensor::Accumulate accumulate) const {
  down_.backward_weight(device, g.down_out, a.activated, accumulate);
  up_.backward_weight(device, g.up_out, a.norm2, accumulate);
  projection_.backward_weight(device, g.projection_out, a.attention, accumulate);
  qkv_.backward_weight(device, g.qkv, a.norm1, accumulate);
}

}  // namespace tessera::model
