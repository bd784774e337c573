// SPDX-License-Identifier: Apache-2.0
// Small products and packing for attention. Packed tiles are zero beyond the real rows and columns, so that the micro
// kernel needs no edges.
#pragma once

#include "tensor/cpu/kernels/element.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

/// One vector register; loads and stores go through pointers to it. Rows of all tiles are multiples of 64 bytes.
/// Pointers are never declared with auto, which forgets the attributes.
typedef float Lanes __attribute__((vector_size(4 * TESSERA_LANES), may_alias));

/// The micro kernel keeps kTileRows x kTileColumns sums in registers: 12 of 16 on v3, 24 of 32 on v4.
constexpr int kTileRows = TESSERA_LANES == 16 ? 12 : 6;
constexpr std::int64_t kTileColumns = 2 * TESSERA_LANES;

TESSERA_INLINE std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

/// Where element (i, k) of a left factor lies: data[i * row_step + k * depth_step].
struct LeftFactor {
  const float* data;
  std::int64_t row_step, depth_step;
};

template <bool accumulate>
TESSERA_INLINE void micro_kernel(std::int64_t depth, const LeftFactor& a, const float* b, std::int64_t b_row, float* c,
                                 std::int64_t c_row) {
  Lanes sum[kTileRows][2];
#pragma GCC unroll 12
  for (int i = 0; i < kTileRows; ++i) {
    const Lanes* row = reinterpret_cast<const Lanes*>(c + i * c_row);
    sum[i][0] = accumulate ? row[0] : Lanes{};
    sum[i][1] = accumulate ? row[1] : Lanes{};
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    const Lanes* right = reinterpret_cast<const Lanes*>(b + k * b_row);
    const Lanes right0 = right[0], right1 = right[1];
    const float* left = a.data + k * a.depth_step;
#pragma GCC unroll 12
    for (int i = 0; i < kTileRows; ++i) {
      const float factor = left[i * a.row_step];
      sum[i][0] += factor * right0;
      sum[i][1] += factor * right1;
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kTileRows; ++i) {
    Lanes* row = reinterpret_cast<Lanes*>(c + i * c_row);
    row[0] = sum[i][0];
    row[1] = sum[i][1];
  }
}

/// Keys [begin, end) that a query sees.
struct Visible {
  std::int64_t begin, end;
};

/// What the rows of a block of queries see of a block of keys, counted from its first key; rows without a key have end
/// <= begin. Neither begin nor end falls from one row to the next.
struct VisibleRows {
  Visible rows[attention_block];
  std::int64_t count;

  /// Keys that the rows [first, first + kTileRows) see.
  TESSERA_INLINE Visible of_tile(const VisibleRows& all, std::int64_t first) {
    const std::int64_t last = least(first + kTileRows, all.count) - 1;
    return {all.rows[first].begin, all.rows[last].end};
  }
  /// Rows that see any of the keys [first, first + kTileRows).
  TESSERA_INLINE Visible seeing_tile(const VisibleRows& all, std::int64_t first) {
    Visible seeing{0, all.count};
    while (seeing.begin < all.count && all.rows[seeing.begin].end <= first) ++seeing.begin;
    while (seeing.end > seeing.begin && all.rows[seeing.end - 1].begin >= first + kTileRows) --seeing.end;
    return seeing;
  }
};

/// c [queries, keys] = a [queries, depth] b [depth, keys], where a query of the tile of rows sees the key; what lies
/// outside is left as it was. Rows and columns are rounded up to whole tiles.
TESSERA_INLINE void scores_product(const VisibleRows& visible, std::int64_t depth, const LeftFactor& a, const float* b,
                                   std::int64_t b_row, float* c, std::int64_t c_row) {
  for (std::int64_t i = 0; i < visible.count; i += kTileRows) {
    const Visible keys = VisibleRows::of_tile(visible, i);
    for (std::int64_t j = keys.begin / kTileColumns * kTileColumns; j < keys.end; j += kTileColumns)
      micro_kernel<false>(depth, {a.data + i * a.row_step, a.row_step, a.depth_step}, b + j, b_row, c + i * c_row + j,
                          c_row);
  }
}

/// c [rows, columns] += a [rows, depth] b [depth, columns], where only the part `depths(i)` of the depth counts for the
/// tile of rows at i. Rows and columns are rounded up to whole tiles.
template <class Depths>
TESSERA_INLINE void banded_product(std::int64_t rows, std::int64_t columns, Depths depths, const LeftFactor& a,
                                   const float* b, std::int64_t b_row, float* c, std::int64_t c_row) {
  for (std::int64_t i = 0; i < rows; i += kTileRows) {
    const Visible depth = depths(i);
    if (depth.begin >= depth.end) continue;
    const LeftFactor left{a.data + i * a.row_step + depth.begin * a.depth_step, a.row_step, a.depth_step};
    for (std::int64_t j = 0; j < columns; j += kTileColumns)
      micro_kernel<true>(depth.end - depth.begin, left, b + depth.begin * b_row + j, b_row, c + i * c_row + j, c_row);
  }
}

/// to [rows rounded up to kTileRows, columns rounded up to kTileColumns] = factor * from, zero beyond.
template <class T>
TESSERA_INLINE void pack(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, float factor,
                         float* to, std::int64_t to_row) {
  const std::int64_t all_rows = round_up(rows, kTileRows), all_columns = round_up(columns, kTileColumns);
  for (std::int64_t i = 0; i < all_rows; ++i) {
    const std::int64_t filled = i < rows ? columns : 0;
    for (std::int64_t j = 0; j < filled; ++j) to[i * to_row + j] = factor * load(from[i * from_row + j]);
    for (std::int64_t j = filled; j < all_columns; ++j) to[i * to_row + j] = 0.0f;
  }
}

typedef std::int32_t LaneNumbers __attribute__((vector_size(4 * TESSERA_LANES)));

/// rows[i][j] <-> rows[j][i]: each stage exchanges the off-diagonal halves of blocks of 2 `step` rows and columns.
TESSERA_INLINE void transpose_square(Lanes (&rows)[TESSERA_LANES]) {
#pragma GCC unroll 4
  for (int step = 1; step < TESSERA_LANES; step *= 2) {
    LaneNumbers upper, lower;
#pragma GCC unroll 16
    for (int lane = 0; lane < TESSERA_LANES; ++lane) {
      upper[lane] = lane & step ? TESSERA_LANES + lane - step : lane;
      lower[lane] = lane & step ? TESSERA_LANES + lane : lane + step;
    }
#pragma GCC unroll 16
    for (int i = 0; i < TESSERA_LANES; ++i) {
      if (i & step) continue;
      const Lanes above = rows[i], below = rows[i + step];
      rows[i] = __builtin_shuffle(above, below, upper);
      rows[i + step] = __builtin_shuffle(above, below, lower);
    }
  }
}

typedef float UnalignedLanes __attribute__((vector_size(4 * TESSERA_LANES), aligned(4), may_alias));
typedef std::uint16_t UnalignedHalves __attribute__((vector_size(2 * TESSERA_LANES), aligned(2), may_alias));
typedef std::uint32_t LaneBits __attribute__((vector_size(4 * TESSERA_LANES)));

/// A whole vector from any address.
TESSERA_INLINE Lanes load_lanes(const float* from) {
  return *reinterpret_cast<const UnalignedLanes*>(from);
}

TESSERA_INLINE Lanes load_lanes(const Bf16* from) {
  const LaneBits bits = __builtin_convertvector(*reinterpret_cast<const UnalignedHalves*>(from), LaneBits);
  return reinterpret_cast<Lanes>(bits << 16);
}

/// to [columns, rows rounded up to kTileColumns] = transpose of from, zero beyond.
template <class T>
TESSERA_INLINE void pack_transposed(const T* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns,
                                    float* to, std::int64_t to_row) {
  const std::int64_t all = round_up(rows, kTileColumns);
  for (std::int64_t i = 0; i < all; i += TESSERA_LANES)
    for (std::int64_t j = 0; j < columns; j += TESSERA_LANES) {
      const std::int64_t width = least(TESSERA_LANES, columns - j);
      Lanes lanes[TESSERA_LANES];
#pragma GCC unroll 16
      for (int k = 0; k < TESSERA_LANES; ++k) {
        lanes[k] = Lanes{};
        if (i + k >= rows) continue;
        const T* row = from + (i + k) * from_row + j;
        if (width == TESSERA_LANES)
          lanes[k] = load_lanes(row);
        else
          for (std::int64_t l = 0; l < width; ++l) lanes[k][l] = load(row[l]);
      }
      transpose_square(lanes);
      for (std::int64_t l = 0; l < width; ++l) *reinterpret_cast<Lanes*>(to + (j + l) * to_row + i) = lanes[l];
    }
}

TESSERA_INLINE void fill(float* to, std::int64_t size, float value) {
  for (std::int64_t i = 0; i < size; ++i) to[i] = value;
}

TESSERA_INLINE Visible visible_keys(const AttentionMaskArgs& mask, const AttentionExtents& x, std::int64_t batch,
                                    std::int64_t query) {
  Visible keys{0, x.keys};
  if (mask.causal) keys.end = least(mask.query_offset + query + 1, x.keys);
  if (mask.window > 0 && keys.end - mask.window > keys.begin) keys.begin = keys.end - mask.window;
  if (mask.document_starts) {
    const std::int64_t start = mask.document_starts[batch * x.queries + query];
    if (start > keys.begin) keys.begin = start;
  }
  return keys;
}

/// The part of `keys` within the block [first, first + count), counted from `first`; begin >= end if there is none.
TESSERA_INLINE Visible within(const Visible& keys, std::int64_t first, std::int64_t count) {
  const std::int64_t begin = keys.begin - first;
  return {begin < 0 ? 0 : begin, least(keys.end - first, count)};
}

TESSERA_INLINE void fill_visible(const AttentionMaskArgs& mask, const AttentionExtents& x, std::int64_t batch,
                                 std::int64_t first_query, std::int64_t queries, std::int64_t first_key,
                                 std::int64_t keys, VisibleRows& visible) {
  visible.count = queries;
  for (std::int64_t i = 0; i < queries; ++i)
    visible.rows[i] = within(visible_keys(mask, x, batch, first_query + i), first_key, keys);
}

/// Keys that at least one query of [first, last] sees: begin and end never fall from one query to the next.
TESSERA_INLINE Visible visible_to_any(const AttentionMaskArgs& mask, const AttentionExtents& x, std::int64_t batch,
                                      std::int64_t first, std::int64_t last) {
  return {visible_keys(mask, x, batch, first).begin, visible_keys(mask, x, batch, last).end};
}

template <class T>
TESSERA_INLINE T* head_rows(const AttentionRows<T>& rows, std::int64_t batch, std::int64_t head,
                            std::int64_t head_dim) {
  return rows.data + batch * rows.batch_stride + head * head_dim;
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
