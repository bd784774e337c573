// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <stdexcept>

namespace tessera::model {
namespace {

constexpr std::int64_t kMaxChunk = 256;  // tokens of a prompt computed at a time: bounds the work space

}  // namespace

Decoder::Decoder(tensor::Device& device, const config::ModelConfig& config, const Parameters& parameters,
                 std::int32_t document_end)
    : device_(&device), config_(config), document_end_(document_end) {
  const auto& tokens = parameters.get("token_embedding");
  token_table_ = tokens.weight;
  position_table_ = parameters.get("position_embedding").weight;
  final_norm_ = {parameters.get("final_norm.gain").weight, parameters.get("final_norm.bias").weight, {}, {}};
  head_ = {config.tied_head ? tokens.weight : parameters.get("head.weight").weight, {}, {}, {}};
  for (std::int64_t layer = 0; layer < config.layers; ++layer) blocks_.emplace_back(config, parameters, layer);

  if (parameters.dtype() != base::DType::f32) throw std::logic_error("Decoder computes in f32, from the masters");
  const std::int64_t H = config.hidden, C = config.context, rows = std::min(kMaxChunk, C);
  const auto carve = [&](tensor::Arena& arena) {
    const auto take = [&](tensor::Shape shape) { return arena.take(base::DType::f32, shape); };
    caches_.clear();
    for (std::int64_t layer = 0; layer < config.layers; ++layer)
      caches_.push_back({take({1, C, H}), take({1, C, H}), 0});
    activations_ = BlockActivations::carve(arena, config, rows, base::DType::f32);
    tokens_ = arena.take(base::DType::i32, {1, rows});
    starts_ = arena.take(base::DType::i32, {1, rows});
    x_ = take({rows, H});
    branch_ = take({rows, H});
    norm_ = take({1, H});
    mean_ = take({1});
    rstd_ = take({1});
    logits_ = take({1, config.vocab});
  };
  tensor::Arena measure;
  carve(measure);
  arena_ = tensor::Arena(measure.used_bytes());
  carve(arena_);
}

void Decoder::reset() {
  for (KeyValueCache& cache : caches_) cache.length = 0;
  document_start_ = 0;
}

std::span<const float> Decoder::feed(std::span<const std::int32_t> tokens) {
  if (tokens.empty() || length() + static_cast<std::int64_t>(tokens.size()) > config_.context)
    throw std::logic_error(fmt::format("Decoder::feed: {} tokens behind {} do not fit a context of {}", tokens.size(),
                                       length(), config_.context));
  std::span<const float> logits;
  const auto chunk = static_cast<std::size_t>(tokens_.extent(1));
  for (std::size_t first = 0; first < tokens.size(); first += chunk)
    logits = feed_chunk(tokens.subspan(first, std::min(chunk, tokens.size() - first)));
  return logits;
}

std::span<const float> Decoder::feed_chunk(std::span<const std::int32_t> tokens) {
  const auto T = static_cast<std::int64_t>(tokens.size());
  const tensor::View ids(tokens_.as<std::int32_t>(), tensor::Shape{1, T});
  std::memcpy(ids.data(), tokens.data(), tokens.size_bytes());
  MicroBatch batch{ids, {}, {}};
  if (document_end_ >= 0) {
    batch.document_starts = {starts_.as<std::int32_t>(), tensor::Shape{1, T}};
    for (std::int64_t t = 0; t < T; ++t) {
      starts_.as<std::int32_t>()[t] = document_start_;
      if (tokens[static_cast<std::size_t>(t)] == document_end_)
        document_start_ = static_cast<std::int32_t>(length() + t + 1);
    }
  }
  const BlockActivations a = activations_.first_rows(T, config_.heads);
  tensor::View x = x_.rows(0, T);
  tensor::embedding_lookup(*device_, ids, token_table_, 0, x);
  tensor::embedding_positions(*device_, position_table_, T, length(), 0, tensor::Dropout{}, x);
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
    blocks_[layer].forward(*device_, batch, DropoutSource{}, x, a, branch_.rows(0, T), &caches_[layer]);
    x = a.x2;
  }
  tensor::layernorm_forward(*device_, x.rows(T - 1, 1), final_norm_.gain, final_norm_.bias, Norm::epsilon, norm_, mean_,
                            rstd_);
  head_.forward(*device_, norm_, logits_);
  return logits_.span<float>();
}

}  // namespace tessera::model
