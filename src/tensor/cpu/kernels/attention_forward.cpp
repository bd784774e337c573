// SPDX-License-Identifier: Apache-2.0
// Online softmax (Milakov & Gimelshein 2018) over tiles (Dao et al. 2022): for each tile of queries the keys pass by in
// blocks; when a block raises the largest score of a row, what was summed before is scaled down.
#include <omp.h>

#include "tensor/cpu/kernels/attention_tiles.hpp"
#include "tensor/cpu/kernels/dropout.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

constexpr std::int64_t kBlock = attention_block, kScoresRow = attention_tile_row;

/// Work space of one thread, carved from AttentionForwardArgs::scratch.
struct Workspace {
  std::int64_t row;      // leading dimension of packed rows
  float* keys;           // [blocks][D, kScoresRow] transposed
  float* values;         // [keys, row]
  float *query, *out;    // [kBlock, row]
  float* scores;         // [kBlock, kScoresRow]
  float *largest, *sum;  // [kBlock]
};

TESSERA_INLINE Workspace carve(const AttentionExtents& x, float* scratch, int thread) {
  Workspace w;
  w.row = attention_packed_row(x.head_dim);
  const std::int64_t keys = attention_padded(x.keys);
  w.keys = scratch + attention_forward_floats(x) * thread;
  w.values = w.keys + keys / kBlock * w.row * kScoresRow;
  w.query = w.values + keys * w.row;
  w.out = w.query + kBlock * w.row;
  w.scores = w.out + kBlock * w.row;
  w.largest = w.scores + kBlock * kScoresRow;
  w.sum = w.largest + kBlock;
  return w;
}

/// Turns the visible scores of one row into exp(score - largest), the others into 0; scales the row of `out` when
/// `largest` grows. Dropout acts on the probabilities, not on their sum.
TESSERA_INLINE void softmax_row(float* scores, const Visible& visible, std::int64_t padded, float& largest, float& sum,
                                float* out, std::int64_t out_columns) {
  float highest = largest;
#pragma omp simd reduction(max : highest)
  for (std::int64_t j = visible.begin; j < visible.end; ++j) highest = scores[j] > highest ? scores[j] : highest;
  float block_sum = 0.0f;
#pragma omp simd reduction(+ : block_sum)
  for (std::int64_t j = visible.begin; j < visible.end; ++j) {
    scores[j] = exp_fast(scores[j] - highest);
    block_sum += scores[j];
  }
  for (std::int64_t j = 0; j < visible.begin; ++j) scores[j] = 0.0f;
  for (std::int64_t j = visible.end; j < padded; ++j) scores[j] = 0.0f;
  if (highest > largest) {
    const float correction = exp_fast(largest - highest);
    sum *= correction;
    for (std::int64_t d = 0; d < out_columns; ++d) out[d] *= correction;
    largest = highest;
  }
  sum += block_sum;
}

template <class T>
TESSERA_INLINE void drop_probabilities(const AttentionForwardArgs<T>& args, std::int64_t batch, std::int64_t head,
                                       std::int64_t query, std::int64_t first_key, std::int64_t keys, float* scores) {
  const AttentionExtents& x = args.extents;
  alignas(64) float factors[kMostFactors];
  const std::uint64_t first = probability_element(x, head, query, first_key);
  draw_factors(args.dropout, args.dropout.samples[batch], first, keys, factors);
  for (std::int64_t j = 0; j < keys; ++j) scores[j] *= factors[j];
}

template <class T>
void forward_tile(const AttentionForwardArgs<T>& args, std::int64_t batch, std::int64_t head, std::int64_t first_query,
                  const Workspace& w) {
  const AttentionExtents& x = args.extents;
  const std::int64_t queries = least(kBlock, x.queries - first_query);
  const std::int64_t rows = round_up(queries, kTileRows), columns = round_up(x.head_dim, kTileColumns);
  const float score_scale = 1.0f / __builtin_sqrtf(static_cast<float>(x.head_dim));
  pack(head_rows(args.q, batch, head, x.head_dim) + first_query * args.q.row_stride, args.q.row_stride, queries,
       x.head_dim, score_scale, w.query, w.row);
  fill(w.out, rows * w.row, 0.0f);
  fill(w.largest, kBlock, -__builtin_inff());
  fill(w.sum, kBlock, 0.0f);
  const Visible any = visible_to_any(args.mask, x, batch, first_query, first_query + queries - 1);
  for (std::int64_t first_key = any.begin / kBlock * kBlock; first_key < any.end; first_key += kBlock) {
    const std::int64_t keys = least(kBlock, x.keys - first_key);
    const std::int64_t padded = round_up(keys, kTileColumns);
    VisibleRows seen;
    fill_visible(args.mask, x, batch, first_query, queries, first_key, keys, seen);
    scores_product(seen, x.head_dim, {w.query, w.row, 1}, w.keys + first_key / kBlock * w.row * kScoresRow, kScoresRow,
                   w.scores, kScoresRow);
    for (std::int64_t i = 0; i < queries; ++i) {
      float* scores = w.scores + i * kScoresRow;
      const Visible visible = seen.rows[i];
      if (visible.begin >= visible.end) {
        fill(scores, padded, 0.0f);
        continue;
      }
      softmax_row(scores, visible, padded, w.largest[i], w.sum[i], w.out + i * w.row, columns);
      if (args.dropout.active) drop_probabilities(args, batch, head, first_query + i, first_key, keys, scores);
    }
    banded_product(
        rows, columns, [&](std::int64_t i) { return VisibleRows::of_tile(seen, i); }, {w.scores, kScoresRow, 1},
        w.values + first_key * w.row, w.row, w.out, w.row);
  }
  T* out = head_rows(args.out, batch, head, x.head_dim);
  for (std::int64_t i = 0; i < queries; ++i) {
    const float inverse = 1.0f / w.sum[i];
    T* to = out + (first_query + i) * args.out.row_stride;
    for (std::int64_t d = 0; d < x.head_dim; ++d) store(to[d], w.out[i * w.row + d] * inverse);
    if (args.lse)
      args.lse[(batch * x.heads + head) * x.queries + first_query + i] = w.largest[i] + __builtin_logf(w.sum[i]);
  }
}

template <class T>
void forward_head(const AttentionForwardArgs<T>& args, std::int64_t batch, std::int64_t head, const Workspace& w) {
  const AttentionExtents& x = args.extents;
  const T *key = head_rows(args.k, batch, head, x.head_dim), *value = head_rows(args.v, batch, head, x.head_dim);
  for (std::int64_t first = 0; first < x.keys; first += kBlock) {
    const std::int64_t keys = least(kBlock, x.keys - first);
    pack_transposed(key + first * args.k.row_stride, args.k.row_stride, keys, x.head_dim,
                    w.keys + first / kBlock * w.row * kScoresRow, kScoresRow);
    pack(value + first * args.v.row_stride, args.v.row_stride, keys, x.head_dim, 1.0f, w.values + first * w.row, w.row);
  }
  for (std::int64_t first = 0; first < x.queries; first += kBlock) forward_tile(args, batch, head, first, w);
}

}  // namespace

template <class T>
void attention_forward(const AttentionForwardArgs<T>& args, int threads) {
  const AttentionExtents& x = args.extents;
#pragma omp parallel num_threads(threads)
  {
    const Workspace w = carve(x, args.scratch, omp_get_thread_num());
#pragma omp for collapse(2) schedule(dynamic)
    for (std::int64_t batch = 0; batch < x.batch; ++batch)
      for (std::int64_t head = 0; head < x.heads; ++head) forward_head(args, batch, head, w);
  }
}

template void attention_forward(const AttentionForwardArgs<float>&, int);
template void attention_forward(const AttentionForwardArgs<Bf16>&, int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
