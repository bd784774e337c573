// SPDX-License-Identifier: Apache-2.0
#include "model/block.hpp"

#include <cstring>
#include <fmt/core.h>

#include "base/error.hpp"

namespace tessera::model {
namespace {

using tensor::View;

// Sites of dropout masks: layer * 4 + place. The embedding has a site of its own (gpt_stage.cpp).
enum Place { attention_probabilities = 0, attention_branch = 1, mlp_branch = 2 };

tensor::AttentionSource columns(View packed, std::int64_t length, std::int64_t first_column) {
  const std::int64_t stride = packed.extent(1);
  return {packed.as<float>() + first_column, length * stride, stride};
}

tensor::AttentionSource whole_cache(View cache) {
  return {cache.as<float>(), cache.extent(1) * cache.extent(2), cache.extent(2)};
}

/// Copies the new rows [B, T, H] found at `from` behind the past in `cache` [B, C, H].
void append(const tensor::AttentionSource& from, std::int64_t batch, std::int64_t length, std::int64_t past,
            View cache) {
  const std::int64_t C = cache.extent(1), H = cache.extent(2);
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t t = 0; t < length; ++t)
      std::memcpy(cache.as<float>() + (b * C + past + t) * H, from.data + b * from.batch_stride + t * from.row_stride,
                  static_cast<std::size_t>(H) * sizeof(float));
}

}  // namespace

BlockActivations BlockActivations::carve(tensor::Arena& arena, const config::ModelConfig& config, std::int64_t rows) {
  const std::int64_t H = config.hidden, F = config.mlp();
  const auto take = [&](tensor::Shape shape) { return arena.take(base::DType::f32, shape); };
  BlockActivations a;
  a.norm1 = take({rows, H});
  a.mean1 = take({rows});
  a.rstd1 = take({rows});
  a.qkv = take({rows, 3 * H});
  a.attention = take({rows, H});
  a.lse = take({rows * config.heads});
  a.x1 = take({rows, H});
  a.norm2 = take({rows, H});
  a.mean2 = take({rows});
  a.rstd2 = take({rows});
  a.up = take({rows, F});
  a.activated = take({rows, F});
  a.x2 = take({rows, H});
  return a;
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

BlockGradients BlockGradients::carve(tensor::Arena& arena, const config::ModelConfig& config, std::int64_t rows) {
  const std::int64_t H = config.hidden, F = config.mlp();
  const auto take = [&](tensor::Shape shape) { return arena.take(base::DType::f32, shape); };
  return {take({rows, H}), take({rows, F}), take({rows, H}), take({rows, 3 * H}), take({rows, H})};
}

tensor::Activation activation_of(const std::string& name) {
  if (name == "gelu_tanh") return tensor::Activation::gelu_tanh;
  if (name == "gelu") return tensor::Activation::gelu;
  if (name == "relu") return tensor::Activation::relu;
  if (name == "silu") return tensor::Activation::silu;
  base::fail_usage("model.activation = '{}' is not one of gelu_tanh, gelu, relu, silu", name);
}

Block::Block(const config::ModelConfig& config, const Parameters& parameters, std::int64_t layer)
    : layer_(layer), hidden_(config.hidden), heads_(config.heads), activation_(activation_of(config.activation)) {
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

void Block::forward(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                    const BlockActivations& a, View branch, KeyValueCache* cache) const {
  const std::int64_t T = batch.length();
  tensor::layernorm_forward(device, x, norm1_.gain, norm1_.bias, Norm::epsilon, a.norm1, a.mean1, a.rstd1);
  qkv_.forward(device, a.norm1, a.qkv);
  tensor::AttentionShape shape = attention_shape(batch);
  tensor::AttentionSource key = columns(a.qkv, T, hidden_), value = columns(a.qkv, T, 2 * hidden_);
  tensor::AttentionMask mask;
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
  down_.forward(device, a.activated, branch);
  tensor::residual_forward(device, a.x1, branch, dropout_at(mlp_branch, batch, dropout), a.x2);
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
                             columns(a.qkv, T, 2 * hidden_), tensor::AttentionMask{},
                             dropout_at(attention_probabilities, batch, dropout), columns(a.attention, T, 0),
                             columns(g.branch, T, 0), a.lse.reshaped({batch.batch(), heads_, T}), columns(g.qkv, T, 0),
                             columns(g.qkv, T, hidden_), columns(g.qkv, T, 2 * hidden_));
  qkv_.backward_input(device, g.qkv, g.branch);
  tensor::layernorm_backward(device, g.branch, x, norm1_.gain, a.mean1, a.rstd1, dx, norm1_.gain_gradient,
                             norm1_.bias_gradient);
}

void Block::backward_weight(tensor::Device& device, const BlockActivations& a, const BlockGradients& g) const {
  down_.backward_weight(device, g.down_out, a.activated);
  up_.backward_weight(device, g.up_out, a.norm2);
  projection_.backward_weight(device, g.projection_out, a.attention);
  qkv_.backward_weight(device, g.qkv, a.norm1);
}

}  // namespace tessera::model
