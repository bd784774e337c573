// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <stdexcept>

namespace tessera::model {
namespace {

constexpr std::int64_t kMaxChunk = 256;  // tokens of a prompt computed at a time: bounds the work space
constexpr int kTag = 0;                  // of the one message between two stages

}  // namespace

Decoder::Decoder(tensor::Device& device, const DecoderRanks& ranks, const config::ModelConfig& config,
                 const Parameters& parameters, std::int32_t document_end)
    : device_(&device),
      ranks_(ranks),
      config_(config),
      placement_(parameters.placement()),
      document_end_(document_end) {
  if (parameters.dtype() != base::DType::f32) throw std::logic_error("Decoder computes in f32, from the masters");
  if (placement_.parts.size() != 1 || ranks.tensor->sequence())
    throw std::logic_error("Decoder runs one part of the model on each rank, without sequence parallelism");
  const Part& part = placement_.parts.front();
  if (part.embeds) {
    token_table_ = parameters.get("token_embedding").weight;
    position_table_ = parameters.get("position_embedding").weight;
  }
  if (part.has_head) {
    final_norm_ = {parameters.get("final_norm.gain").weight, parameters.get("final_norm.bias").weight, {}, {}};
    head_ = {parameters.get(config.tied_head ? "token_embedding" : "head.weight").weight, {}, {}, {}};
  }
  for (std::int64_t layer = part.layers.first; layer < part.layers.last(); ++layer)
    blocks_.emplace_back(config, parameters, *ranks.tensor, layer);
  const std::int64_t rows = std::min(kMaxChunk, config.context);
  const BlockShape shape(config, placement_, rows, rows, base::DType::f32);
  tensor::Arena measure;
  carve(measure, shape);
  arena_ = tensor::Arena(measure.used_bytes());
  carve(arena_, shape);
}

void Decoder::carve(tensor::Arena& arena, const BlockShape& shape) {
  const auto take = [&](tensor::Shape extents) { return arena.take(base::DType::f32, extents); };
  caches_.clear();
  const tensor::Shape cache{1, config_.context, shape.Ht()};
  for (std::size_t layer = 0; layer < blocks_.size(); ++layer) caches_.push_back({take(cache), take(cache), 0});
  activations_ = BlockActivations::carve(arena, shape);
  work_ = BlockWork::carve(arena, shape);
  tokens_ = arena.take(base::DType::i32, {1, shape.R});
  starts_ = arena.take(base::DType::i32, {1, shape.R});
  x_ = take({shape.R, shape.H});
  norm_ = take({1, shape.H});
  mean_ = take({1});
  rstd_ = take({1});
  const std::int64_t largest = tensor::part_of(config_.vocab, ranks_.tensor->size(), 0).size;
  part_logits_ = take({1, largest});
  all_parts_ = take({ranks_.tensor->size(), largest});
  logits_ = take({1, config_.vocab});
}

void Decoder::reset() {
  for (KeyValueCache& cache : caches_) cache.length = 0;
  document_start_ = 0;
}

std::span<const float> Decoder::feed(std::span<const std::int32_t> tokens) {
  if (tokens.empty() || length() + static_cast<std::int64_t>(tokens.size()) > config_.context)
    throw std::logic_error(fmt::format("Decoder::feed: {} tokens behind {} do not fit a context of {}", tokens.size(),
                                       length(), config_.context));
  const auto chunk = static_cast<std::size_t>(tokens_.extent(1));
  for (std::size_t first = 0; first < tokens.size(); first += chunk)
    feed_chunk(tokens.subspan(first, std::min(chunk, tokens.size() - first)));
  return logits_.span<float>();
}

MicroBatch Decoder::batch_of(std::span<const std::int32_t> tokens) {
  const auto T = static_cast<std::int64_t>(tokens.size());
  const tensor::View ids(tokens_.as<std::int32_t>(), tensor::Shape{1, T});
  std::memcpy(ids.data(), tokens.data(), tokens.size_bytes());
  MicroBatch batch{ids, {}, {}};
  if (document_end_ < 0) return batch;
  batch.document_starts = {starts_.as<std::int32_t>(), tensor::Shape{1, T}};
  for (std::int64_t t = 0; t < T; ++t) {
    starts_.as<std::int32_t>()[t] = document_start_;
    if (tokens[static_cast<std::size_t>(t)] == document_end_)
      document_start_ = static_cast<std::int32_t>(length() + t + 1);
  }
  return batch;
}

/// x = embedded tokens, or what the stage before computed.
void Decoder::enter(const MicroBatch& batch, tensor::View x) {
  if (placement_.parts.front().embeds) {
    tensor_parallel::embed(*ranks_.tensor, *device_, batch.tokens, {token_table_, placement_.vocabulary(config_).first},
                           position_table_, length(), {}, x);
    return;
  }
  comm::Request receive = ranks_.pipeline->ireceive(x.span<float>(), ranks_.pipeline->rank() - 1, kTag);
  ranks_.pipeline->wait(receive, "activations of the stage before");
}

/// Logits of one row from all parts of the vocabulary.
void Decoder::head(tensor::View last) {
  tensor::layernorm_forward(*device_, last, final_norm_.gain, final_norm_.bias, Norm::epsilon, norm_, mean_, rstd_);
  const std::int64_t ranks = ranks_.tensor->size(), mine = placement_.vocabulary(config_).size;
  head_.forward(*device_, norm_, {part_logits_.as<float>(), tensor::Shape{1, mine}});
  ranks_.tensor->all_gather(part_logits_, all_parts_);
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const tensor::Range part = tensor::part_of(config_.vocab, ranks, rank);
    std::copy_n(all_parts_.rows(rank, 1).as<float>(), part.size, logits_.as<float>() + part.first);
  }
}

/// x goes to the next stage, or becomes logits, which all stages get.
void Decoder::leave(tensor::View x) {
  const Part& part = placement_.parts.front();
  if (part.has_head) head(x.rows(x.extent(0) - 1, 1));
  if (!ranks_.pipeline || ranks_.pipeline->size() == 1) return;
  if (!part.has_head) {
    comm::Request send =
        ranks_.pipeline->isend(std::span<const float>(x.span<float>()), ranks_.pipeline->rank() + 1, kTag);
    ranks_.pipeline->wait(send, "activations for the next stage");
  }
  ranks_.pipeline->broadcast(logits_.span<float>(), ranks_.pipeline->size() - 1, "logits of the last stage");
}

void Decoder::feed_chunk(std::span<const std::int32_t> tokens) {
  const auto T = static_cast<std::int64_t>(tokens.size());
  const MicroBatch batch = batch_of(tokens);
  const BlockActivations a = activations_.first_rows(T, T);
  tensor::View x = x_.rows(0, T);
  enter(batch, x);
  for (std::size_t block = 0; block < blocks_.size(); ++block) {
    blocks_[block].forward(*device_, batch, DropoutSource{}, x, a, work_.first_rows(T), &caches_[block]);
    x = a.x2;
  }
  leave(x);
}

}  // namespace tessera::model
