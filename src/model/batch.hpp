// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "tensor/view.hpp"

namespace tessera::model {

/// What one micro-batch brings: B sequences of T tokens.
struct MicroBatch {
  tensor::View tokens;                       // [B, T] i32
  tensor::View targets;                      // [B, T] i32, -1 = ignored
  std::span<const std::uint64_t> samples{};  // [B] global sample indices, from which dropout masks are drawn
  tensor::View document_starts{};            // [B, T] i32: first position of each token's document; empty: one document

  std::int64_t batch() const { return tokens.extent(0); }
  std::int64_t length() const { return tokens.extent(1); }
  std::int64_t rows() const { return batch() * length(); }
};

/// Where dropout masks come from: seed and rate of the run, samples of the micro-batch. Rate 0 outside training.
struct DropoutSource {
  float rate = 0.0f;
  std::uint64_t seed = 0;
};

}  // namespace tessera::model
