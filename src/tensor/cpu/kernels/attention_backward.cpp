// SPDX-License-Identifier: Apache-2.0
// Probabilities are computed again from the scores and their log-sum-exp (Dao et al. 2022, appendix B). With
// P = exp(S - lse), mask factors M of the dropout and delta = rowsum(dO * O):
//   dV = (P M)ᵀ dO,  dP = M (dO Vᵀ),  dS = P (dP - delta),  dQ = dS K / sqrt(D),  dK = dSᵀ Q / sqrt(D).
#include <omp.h>

#include "tensor/cpu/kernels/attention_tiles.hpp"
#include "tensor/cpu/kernels/dropout.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

constexpr std::int64_t kBlock = attention_block, kScoresRow = attention_tile_row;

/// Work space of one thread, carved from AttentionBackwardArgs::scratch.
struct Workspace {
  std::int64_t row;                    // leading dimension of packed rows
  float *query, *dout, *dquery;        // [queries, row]; query carries the factor 1 / sqrt(D)
  float *lse, *delta;                  // [queries]
  float *key, *dkey, *dvalue;          // [kBlock, row]
  float *key_columns, *value_columns;  // [D, kScoresRow] transposed
  float *probabilities, *dscores;      // [kBlock, kScoresRow]
};

TESSERA_INLINE Workspace carve(const AttentionExtents& x, float* scratch, int thread) {
  Workspace w;
  w.row = attention_packed_row(x.head_dim);
  const std::int64_t queries = attention_padded(x.queries);
  w.query = scratch + attention_backward_floats(x) * thread;
  w.dout = w.query + queries * w.row;
  w.dquery = w.dout + queries * w.row;
  w.key = w.dquery + queries * w.row;
  w.dkey = w.key + kBlock * w.row;
  w.dvalue = w.dkey + kBlock * w.row;
  w.key_columns = w.dvalue + kBlock * w.row;
  w.value_columns = w.key_columns + w.row * kScoresRow;
  w.probabilities = w.value_columns + w.row * kScoresRow;
  w.dscores = w.probabilities + kBlock * kScoresRow;
  w.lse = w.dscores + kBlock * kScoresRow;
  w.delta = w.lse + queries;
  return w;
}

/// On entry: scores and dO Vᵀ of one row. On return: P M and dS, zero where masked. `factors` M, or nullptr for ones.
TESSERA_INLINE void backward_row(float* scores, float* dscores, const Visible& visible, std::int64_t padded, float lse,
                                 float delta, const float* factors) {
  if (factors) {
#pragma omp simd
    for (std::int64_t j = visible.begin; j < visible.end; ++j) {
      const float p = exp_fast(scores[j] - lse);
      scores[j] = p * factors[j];
      dscores[j] = p * (factors[j] * dscores[j] - delta);
    }
  } else {
#pragma omp simd
    for (std::int64_t j = visible.begin; j < visible.end; ++j) {
      const float p = exp_fast(scores[j] - lse);
      scores[j] = p;
      dscores[j] = p * (dscores[j] - delta);
    }
  }
  const std::int64_t begin = least(visible.begin, padded), end = visible.end > begin ? visible.end : begin;
  for (std::int64_t j = 0; j < begin; ++j) scores[j] = dscores[j] = 0.0f;
  for (std::int64_t j = end; j < padded; ++j) scores[j] = dscores[j] = 0.0f;
}

template <class T>
void backward_tile(const AttentionBackwardArgs<T>& args, std::int64_t batch, std::int64_t head,
                   std::int64_t first_query, std::int64_t first_key, const Workspace& w) {
  const AttentionExtents& x = args.extents;
  const std::int64_t queries = least(kBlock, x.queries - first_query), keys = least(kBlock, x.keys - first_key);
  const std::int64_t rows = round_up(queries, kTileRows), key_rows = round_up(keys, kTileRows);
  const std::int64_t padded = round_up(keys, kTileColumns), columns = round_up(x.head_dim, kTileColumns);
  const float *query = w.query + first_query * w.row, *dout = w.dout + first_query * w.row;
  VisibleRows seen;
  fill_visible(args.mask, x, batch, first_query, queries, first_key, keys, seen);
  scores_product(seen, x.head_dim, {query, w.row, 1}, w.key_columns, kScoresRow, w.probabilities, kScoresRow);
  scores_product(seen, x.head_dim, {dout, w.row, 1}, w.value_columns, kScoresRow, w.dscores, kScoresRow);
  alignas(64) float factors[kMostFactors];
  for (std::int64_t i = 0; i < queries; ++i) {
    const std::int64_t q = first_query + i;
    if (args.dropout.active)
      draw_factors(args.dropout, args.dropout.samples[batch], probability_element(x, head, q, first_key), keys,
                   factors);
    backward_row(w.probabilities + i * kScoresRow, w.dscores + i * kScoresRow, seen.rows[i], padded, w.lse[q],
                 w.delta[q], args.dropout.active ? factors : nullptr);
  }
  const auto seeing = [&](std::int64_t i) { return VisibleRows::seeing_tile(seen, i); };
  banded_product(key_rows, columns, seeing, {w.probabilities, 1, kScoresRow}, dout, w.row, w.dvalue, w.row);
  banded_product(key_rows, columns, seeing, {w.dscores, 1, kScoresRow}, query, w.row, w.dkey, w.row);
  banded_product(
      rows, columns, [&](std::int64_t i) { return VisibleRows::of_tile(seen, i); }, {w.dscores, kScoresRow, 1}, w.key,
      w.row, w.dquery + first_query * w.row, w.row);
}

template <class T>
TESSERA_INLINE float dot(const T* a, const T* b, std::int64_t size) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < size; ++i) sum += load(a[i]) * load(b[i]);
  return sum;
}

/// Packs what belongs to the queries of one head.
template <class T>
TESSERA_INLINE void pack_queries(const AttentionBackwardArgs<T>& args, std::int64_t batch, std::int64_t head,
                                 const Workspace& w) {
  const AttentionExtents& x = args.extents;
  const float score_scale = 1.0f / __builtin_sqrtf(static_cast<float>(x.head_dim));
  const T *query = head_rows(args.q, batch, head, x.head_dim), *dout = head_rows(args.dout, batch, head, x.head_dim),
          *out = head_rows(args.out, batch, head, x.head_dim);
  pack(query, args.q.row_stride, x.queries, x.head_dim, score_scale, w.query, w.row);
  pack(dout, args.dout.row_stride, x.queries, x.head_dim, 1.0f, w.dout, w.row);
  fill(w.dquery, attention_padded(x.queries) * w.row, 0.0f);
  for (std::int64_t i = 0; i < x.queries; ++i) {
    w.delta[i] = dot(dout + i * args.dout.row_stride, out + i * args.out.row_stride, x.head_dim);
    w.lse[i] = args.lse[(batch * x.heads + head) * x.queries + i];
  }
}

/// to [rows, D] = factor * packed rows.
template <class T>
TESSERA_INLINE void unpack(const float* from, std::int64_t from_row, std::int64_t rows, std::int64_t columns,
                           float factor, T* to, std::int64_t to_row) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t d = 0; d < columns; ++d) store(to[i * to_row + d], factor * from[i * from_row + d]);
}

template <class T>
void backward_head(const AttentionBackwardArgs<T>& args, std::int64_t batch, std::int64_t head, const Workspace& w) {
  const AttentionExtents& x = args.extents;
  pack_queries(args, batch, head, w);
  const T *key = head_rows(args.k, batch, head, x.head_dim), *value = head_rows(args.v, batch, head, x.head_dim);
  T *dkey = head_rows(args.dk, batch, head, x.head_dim), *dvalue = head_rows(args.dv, batch, head, x.head_dim);
  for (std::int64_t first_key = 0; first_key < x.keys; first_key += kBlock) {
    const std::int64_t keys = least(kBlock, x.keys - first_key);
    const T *key_at = key + first_key * args.k.row_stride, *value_at = value + first_key * args.v.row_stride;
    pack(key_at, args.k.row_stride, keys, x.head_dim, 1.0f, w.key, w.row);
    pack_transposed(key_at, args.k.row_stride, keys, x.head_dim, w.key_columns, kScoresRow);
    pack_transposed(value_at, args.v.row_stride, keys, x.head_dim, w.value_columns, kScoresRow);
    fill(w.dkey, kBlock * w.row, 0.0f);
    fill(w.dvalue, kBlock * w.row, 0.0f);
    for (std::int64_t first_query = 0; first_query < x.queries; first_query += kBlock) {
      const std::int64_t last_query = least(first_query + kBlock, x.queries) - 1;
      const Visible any = within(visible_to_any(args.mask, x, batch, first_query, last_query), first_key, keys);
      if (any.begin >= any.end) continue;
      backward_tile(args, batch, head, first_query, first_key, w);
    }
    unpack(w.dkey, w.row, keys, x.head_dim, 1.0f, dkey + first_key * args.dk.row_stride, args.dk.row_stride);
    unpack(w.dvalue, w.row, keys, x.head_dim, 1.0f, dvalue + first_key * args.dv.row_stride, args.dv.row_stride);
  }
  const float score_scale = 1.0f / __builtin_sqrtf(static_cast<float>(x.head_dim));
  unpack(w.dquery, w.row, x.queries, x.head_dim, score_scale, head_rows(args.dq, batch, head, x.head_dim),
         args.dq.row_stride);
}

}  // namespace

template <class T>
void attention_backward(const AttentionBackwardArgs<T>& args, int threads) {
  const AttentionExtents& x = args.extents;
#pragma omp parallel num_threads(threads)
  {
    const Workspace w = carve(x, args.scratch, omp_get_thread_num());
#pragma omp for collapse(2) schedule(dynamic)
    for (std::int64_t batch = 0; batch < x.batch; ++batch)
      for (std::int64_t head = 0; head < x.heads; ++head) backward_head(args, batch, head, w);
  }
}

template void attention_backward(const AttentionBackwardArgs<float>&, int);
template void attention_backward(const AttentionBackwardArgs<Bf16>&, int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
