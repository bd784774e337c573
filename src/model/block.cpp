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

std::vector<Kept> kept_activations(const BlockShape& s) {
  using A = BlockActivations;
  constexpr auto f32 = base::DType::f32;
  constexpr auto none = Recompute::none, selective = Recompute::selective, full = Recompute::full;
  return {{&A::norm1, none, s.dtype, {s.R, s.H}},
          {&A::mean1, selective, f32, {s.Rn}},
          {&A::rstd1, selective, f32, {s.Rn}},
          {&A::qkv, selective, s.dtype, {s.R, 3 * s.Ht()}},
          {&A::attention, selective, s.dtype, {s.R, s.Ht()}},
          {&A::lse, selective, f32, {s.R, s.At}},
          {&A::x1, selective, f32, {s.Rn, s.H}},
          {&A::norm2, none, s.dtype, {s.R, s.H}},
          {&A::mean2, selective, f32, {s.Rn}},
          {&A::rstd2, selective, f32, {s.Rn}},
          {&A::up, selective, s.dtype, {s.R, s.Ft}},
          {&A::activated, none, s.dtype, {s.R, s.Ft}},
          {&A::x2, full, f32, {s.Rn, s.H}}};
}

}  // namespace

BlockShape::BlockShape(const config::ModelConfig& config, const Placement& placement, std::int64_t rows,
                       std::int64_t own_rows, base::DType type)
    : R(rows),
      Rn(own_rows),
      H(config.hidden),
      At(placement.heads(config).size),
      D(config.head_dim()),
      Ft(placement.mlp(config).size),
      dtype(type) {}

BlockActivations BlockActivations::carve(tensor::Arena& arena, const BlockShape& shape) {
  return carve_kept(arena, shape, Recompute::none, {});
}

BlockActivations BlockActivations::carve_shared(tensor::Arena& arena, const BlockShape& shape, Recompute recompute) {
  BlockActivations shared;
  for (const Kept& kept : kept_activations(shape))
    if (kept.most < recompute) shared.*kept.member = arena.take(kept.dtype, kept.shape);
  return shared;
}

BlockActivations BlockActivations::carve_kept(tensor::Arena& arena, const BlockShape& shape, Recompute recompute,
                                              const BlockActivations& shared) {
  BlockActivations own = shared;
  for (const Kept& kept : kept_activations(shape))
    if (recompute <= kept.most) own.*kept.member = arena.take(kept.dtype, kept.shape);
  return own;
}

BlockActivations BlockActivations::first_rows(std::int64_t rows, std::int64_t own) const {
  const auto all = [rows](const View& view) { return view.rows(0, rows); };
  const auto part = [own](const View& view) { return view.rows(0, own); };
  return {all(norm1), part(mean1), part(rstd1), all(qkv), all(attention), all(lse), part(x1),
          all(norm2), part(mean2), part(rstd2), all(up),  all(activated), part(x2)};
}

BlockGradients BlockGradients::first_rows(std::int64_t rows) const {
  return {down_out.rows(0, rows), up_out.rows(0, rows), projection_out.rows(0, rows), qkv.rows(0, rows)};
}

BlockGradients BlockGradients::carve(tensor::Arena& arena, const BlockShape& s) {
  const auto take = [&](tensor::Shape shape) { return arena.take(s.dtype, shape); };
  return {take({s.R, s.H}), take({s.R, s.Ft}), take({s.R, s.H}), take({s.R, 3 * s.Ht()})};
}

BlockWork BlockWork::carve(tensor::Arena& arena, const BlockShape& s) {
  const View branch = arena.take(s.dtype, {s.R, s.H});
  return {branch, {branch.data(), s.dtype, {s.R, s.Ht()}}};
}

BlockWork BlockWork::first_rows(std::int64_t rows) const {
  return {branch.rows(0, rows), heads.rows(0, rows)};
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

Block::Block(const config::ModelConfig& config, const Parameters& parameters, tensor_parallel::TensorAxis& axis,
             std::int64_t layer)
    : axis_(&axis),
      layer_(layer),
      heads_(parameters.placement().heads(config)),
      head_dim_(config.head_dim()),
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
  // Of a row-cut layer the bias is added once, where the sum over ranks begins.
  const auto row_cut = [&](const std::string& name) {
    Linear layer_of = linear(name);
    if (axis.rank() > 0 && axis.fault() != base::Fault::row_bias) layer_of.bias = {};
    return layer_of;
  };
  norm1_ = norm("attention_norm");
  norm2_ = norm("mlp_norm");
  const std::string query = block + "attention.query.";
  qkv_ = {parameters.joined_weight(query + "weight", 3), parameters.joined_weight(query + "bias", 3),
          parameters.joined_gradient(query + "weight", 3), parameters.joined_gradient(query + "bias", 3)};
  projection_ = row_cut("attention.output");
  up_ = linear("mlp.up");
  down_ = row_cut("mlp.down");
}

tensor::AttentionShape Block::attention_shape(const MicroBatch& batch) const {
  return {batch.batch(), heads_.size, head_dim_, batch.length(), batch.length(), heads_.first};
}

tensor::Dropout Block::dropout_at(int place, const MicroBatch& batch, const DropoutSource& source) const {
  return {source.rate, source.seed, static_cast<std::uint32_t>(layer_ * 4 + place), batch.samples};
}

/// The masks of this rank's rows of the residual stream are those of the same rows in one process.
tensor::Dropout Block::branch_dropout(int place, const MicroBatch& batch, const DropoutSource& source) const {
  tensor::Dropout dropout = dropout_at(place, batch, source);
  dropout.rows_per_sample = batch.length();
  dropout.first_row = axis_->rows(batch.rows()).first;
  return dropout;
}

tensor::AttentionMask Block::mask(const MicroBatch& batch) const {
  tensor::AttentionMask mask;
  mask.window = window_;
  mask.document_starts = batch.document_starts;
  return mask;
}

/// y [R, H]: own rows = norm of x [Rn, H], then all rows on every rank.
void Block::norm(tensor::Device& device, const Norm& norm, View x, View y, View mean, View rstd) const {
  tensor::layernorm_forward(device, x, norm.gain, norm.bias, Norm::epsilon, axis_->own(y), mean, rstd);
  axis_->gather(y);
}

void Block::forward_to_activated(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                                 const BlockActivations& a, const BlockWork& work, KeyValueCache* cache) const {
  const std::int64_t T = batch.length(), Ht = heads_.size * head_dim_;
  norm(device, norm1_, x, a.norm1, a.mean1, a.rstd1);
  qkv_.forward(device, a.norm1, a.qkv);
  tensor::AttentionShape shape = attention_shape(batch);
  tensor::AttentionSource key = columns(a.qkv, T, Ht), value = columns(a.qkv, T, 2 * Ht);
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
                            a.lse.reshaped({batch.batch(), heads_.size, T}));
  projection_.forward(device, a.attention, work.branch);
  tensor::residual_layernorm_forward(device, x, axis_->sum(work.branch),
                                     branch_dropout(attention_branch, batch, dropout), norm2_.gain, norm2_.bias,
                                     Norm::epsilon, a.x1, axis_->own(a.norm2), a.mean2, a.rstd2);
  axis_->gather(a.norm2);
  up_.forward(device, a.norm2, a.up);
  tensor::activation_forward(device, activation_, a.up, a.activated);
}

void Block::forward(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                    const BlockActivations& a, const BlockWork& work, KeyValueCache* cache) const {
  forward_to_activated(device, batch, dropout, x, a, work, cache);
  down_.forward(device, a.activated, work.branch);
  tensor::residual_forward(device, a.x1, axis_->sum(work.branch), branch_dropout(mlp_branch, batch, dropout), a.x2);
}

void Block::recompute(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                      const BlockActivations& a, const BlockWork& work, Recompute recompute) const {
  if (recompute == Recompute::full) forward_to_activated(device, batch, dropout, x, a, work, nullptr);
  if (recompute != Recompute::selective) return;
  norm(device, norm1_, x, a.norm1, a.mean1, a.rstd1);
  norm(device, norm2_, a.x1, a.norm2, a.mean2, a.rstd2);
  tensor::activation_forward(device, activation_, a.up, a.activated);
}

void Block::backward_input(tensor::Device& device, const MicroBatch& batch, const DropoutSource& dropout, View x,
                           const BlockActivations& a, const BlockGradients& g, const BlockWork& work, View dx) const {
  const std::int64_t T = batch.length(), Ht = heads_.size * head_dim_;
  tensor::dropout_backward(device, dx, branch_dropout(mlp_branch, batch, dropout), axis_->own(g.down_out));
  axis_->gather(g.down_out);
  down_.backward_input(device, g.down_out, g.up_out);
  tensor::activation_backward(device, activation_, a.up, g.up_out, g.up_out);
  up_.backward_input(device, g.up_out, work.branch);
  tensor::layernorm_backward(device, axis_->sum(work.branch), a.x1, norm2_.gain, a.mean2, a.rstd2, dx,
                             norm2_.gain_gradient, norm2_.bias_gradient);

  tensor::dropout_backward(device, dx, branch_dropout(attention_branch, batch, dropout), axis_->own(g.projection_out));
  axis_->gather(g.projection_out);
  projection_.backward_input(device, g.projection_out, work.heads);
  tensor::attention_backward(device, attention_shape(batch), columns(a.qkv, T, 0), columns(a.qkv, T, Ht),
                             columns(a.qkv, T, 2 * Ht), mask(batch),
                             dropout_at(attention_probabilities, batch, dropout), columns(a.attention, T, 0),
                             columns(work.heads, T, 0), a.lse.reshaped({batch.batch(), heads_.size, T}),
                             columns(g.qkv, T, 0), columns(g.qkv, T, Ht), columns(g.qkv, T, 2 * Ht));
  qkv_.backward_input(device, g.qkv, work.branch);
  tensor::layernorm_backward(device, axis_->sum(work.branch), x, norm1_.gain, a.mean1, a.rstd1, dx,
                             norm1_.gain_gradient, norm1_.bias_gradient);
}

void Block::backward_weight(tensor::Device& device, const BlockActivations& a, const BlockGradients& g,
                            tensor::Accumulate accumulate) const {
  down_.backward_weight(device, g.down_out, a.activated, accumulate);
  up_.backward_weight(device, g.up_out, a.norm2, accumulate);
  projection_.backward_weight(device, g.projection_out, a.attention, accumulate);
  qkv_.backward_weight(device, g.qkv, a.norm1, accumulate);
}

}  // namespace tessera::model
