// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/dropout.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

template <class T>
void embedding_lookup(const TokenArgs& args, const T* table, float* x, int threads) {
  const std::int64_t width = args.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const std::int64_t entry = args.tokens[row] - args.first_token;
    float* out = x + row * width;
    if (entry < 0 || entry >= args.entries) {
      for (std::int64_t i = 0; i < width; ++i) out[i] = 0.0f;
      continue;
    }
    const T* from = table + entry * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) out[i] = load(from[i]);
  }
}

template <class T>
void embedding_positions(const PositionArgs& args, const T* table, const DropoutArgs& dropout, float* x, int threads) {
  const std::int64_t width = args.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const T* position = table + (args.position_offset + (args.first_row + row) % args.length) * width;
    float* out = x + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) out[i] += load(position[i]);
    if (dropout.active) drop_row(dropout, row, width, 0, width, out, out);
  }
}

template void embedding_lookup(const TokenArgs&, const float*, float*, int);
template void embedding_lookup(const TokenArgs&, const Bf16*, float*, int);
template void embedding_positions(const PositionArgs&, const float*, const DropoutArgs&, float*, int);
template void embedding_positions(const PositionArgs&, const Bf16*, const DropoutArgs&, float*, int);

/// Threads share the positions; the rows of each, `length` apart, are added in order.
void embedding_backward_positions(const PositionArgs& args, const float* dx, float* dtable, int threads) {
  const std::int64_t width = args.width, length = args.length, first_place = args.first_row % length;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t place = 0; place < length; ++place) {
    float* position = dtable + place * width;
    for (std::int64_t row = (place - first_place + length) % length; row < args.rows; row += length)
#pragma omp simd
      for (std::int64_t i = 0; i < width; ++i) position[i] += dx[row * width + i];
  }
}

/// Rows of one token may lie anywhere, so threads share the columns: each walks all rows in order.
void embedding_backward_tokens(const TokenArgs& args, const float* dx, float* dtable, int threads) {
  constexpr std::int64_t kColumns = 64;
  const std::int64_t width = args.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t column = 0; column < width; column += kColumns) {
    const std::int64_t n = least(kColumns, width - column);
    for (std::int64_t row = 0; row < args.rows; ++row) {
      const std::int64_t entry = args.tokens[row] - args.first_token;
      if (entry < 0 || entry >= args.entries) continue;
      const float* from = dx + row * width + column;
      float* token = dtable + entry * width + column;
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) token[i] += from[i];
    }
  }
}

/// No row is named twice, so threads share the rows.
void add_rows(std::int64_t count, const std::int32_t* rows, std::int64_t width, float* from, float* to, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t k = 0; k < count; ++k) {
    float *source = from + rows[k] * width, *target = to + rows[k] * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) {
      target[i] += source[i];
      source[i] = 0.0f;
    }
  }
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
