// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tensor/cpu/kernels/element.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

/// First row of chunk `chunk` when `rows` are cut into row_chunks.
TESSERA_INLINE std::int64_t chunk_start(std::int64_t rows, std::int64_t chunk) {
  return rows * chunk / row_chunks;
}

/// out [N] += the row_chunks rows of partials [row_chunks, N], in order.
TESSERA_INLINE void add_partials(std::int64_t width, const float* partials, float* out, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < width; ++i) {
    float sum = partials[i];
    for (std::int64_t chunk = 1; chunk < row_chunks; ++chunk) sum += partials[chunk * width + i];
    out[i] += sum;
  }
}

/// y [N] = gain * (x - mean) * rstd + bias of one row x [N].
template <class T>
TESSERA_INLINE void normalize_row(const LayerNormArgs<T>& args, std::int64_t row, const float* x) {
  const std::int64_t width = args.width;
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < width; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(width);
  float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
  for (std::int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float rstd = 1.0f / __builtin_sqrtf(squares / static_cast<float>(width) + args.epsilon);
  T* y = args.y + row * width;
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) store(y[i], (x[i] - mean) * rstd * args.gain[i] + args.bias[i]);
  args.mean[row] = mean;
  args.rstd[row] = rstd;
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
