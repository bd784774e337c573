// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tensor/cpu/args.hpp"

namespace tessera::tensor::cpu {

/// Element (b, t, a, d) lies at data[b * batch_stride + t * row_stride + a * head_dim + d]; strides in elements.
template <class T>
struct AttentionRows {
  T* data;
  std::int64_t batch_stride, row_stride;
};

struct AttentionExtents {
  std::int64_t batch, heads, head_dim, queries, keys;
  std::int64_t first_head;  ///< number in the model of head 0, for dropout
};

/// Query i of sequence b sees keys [begin, end): end = query_offset + i + 1 if causal, else all; begin is the larger of
/// end - window and the start of the query's document. Neither ever falls from one query to the next.
struct AttentionMaskArgs {
  bool causal;
  std::int64_t query_offset;            ///< >= 0
  std::int64_t window;                  ///< 0: unlimited; > 0 only if causal
  const std::int32_t* document_starts;  ///< [B, queries] key position where the query's document begins, or nullptr
};

template <class T>
struct AttentionForwardArgs {
  AttentionExtents extents;
  AttentionMaskArgs mask;
  DropoutArgs dropout;
  AttentionRows<T> q, k, v, out;
  float* lse;      ///< [B, A, queries] log-sum-exp of each row, or nullptr
  float* scratch;  ///< attention_forward_floats(extents) for each thread, 64-byte aligned
};

template <class T>
struct AttentionBackwardArgs {
  AttentionExtents extents;
  AttentionMaskArgs mask;
  DropoutArgs dropout;
  AttentionRows<T> q, k, v, out, dout, dq, dk, dv;
  const float* lse;  ///< [B, A, queries] of the forward
  float* scratch;    ///< attention_backward_floats(extents) for each thread, 64-byte aligned
};

/// Rows and columns of a tile of scores. 96 divides by the rows (6, 12) and columns (16, 32) of every micro kernel.
inline constexpr std::int64_t attention_block = 96;

/// Leading dimension of packed rows: a multiple of 32 floats (the widest panel), plus one cache line, so that the rows
/// of a power-of-two head size do not all fall into the same sets of the cache.
[[gnu::always_inline]] constexpr std::int64_t attention_packed_row(std::int64_t head_dim) {
  return (head_dim + 31) / 32 * 32 + 16;
}

/// Leading dimension of a tile with attention_block columns.
inline constexpr std::int64_t attention_tile_row = attention_block + 16;

[[gnu::always_inline]] constexpr std::int64_t attention_padded(std::int64_t rows) {
  return (rows + attention_block - 1) / attention_block * attention_block;
}

/// Floats of one thread. Forward: Kᵀ in tiles and V of one head; tiles of Q, scores and output; row statistics.
[[gnu::always_inline]] constexpr std::int64_t attention_forward_floats(const AttentionExtents& x) {
  const std::int64_t row = attention_packed_row(x.head_dim), keys = attention_padded(x.keys);
  return keys / attention_block * row * attention_tile_row + keys * row +
         attention_block * (2 * row + attention_tile_row + 2);
}

/// Backward: packed Q, dOut and the sum of dQ of one head with its statistics; K, Kᵀ, Vᵀ, dK, dV of one key block; two
/// tiles of scores.
[[gnu::always_inline]] constexpr std::int64_t attention_backward_floats(const AttentionExtents& x) {
  const std::int64_t row = attention_packed_row(x.head_dim), queries = attention_padded(x.queries);
  return queries * (3 * row + 2) + attention_block * 3 * row + 2 * row * attention_tile_row +
         2 * attention_block * attention_tile_row;
}

}  // namespace tessera::tensor::cpu
