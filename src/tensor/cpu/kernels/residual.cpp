// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/dropout.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"
#include "tensor/cpu/kernels/rows.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

/// sum [N] = x [N] + dropout(branch [N]); sum may be x.
template <class T>
TESSERA_INLINE void add_row(const DropoutArgs& dropout, std::int64_t row, std::int64_t width, const float* x,
                            const T* branch, float* sum) {
  if (!dropout.active) {
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) sum[i] = x[i] + load(branch[i]);
    return;
  }
  alignas(64) float kept[kMostFactors];
  for (std::int64_t at = 0; at < width; at += kMostFactors) {
    const std::int64_t n = least(kMostFactors, width - at);
    drop_row(dropout, row, width, at, n, branch + at, kept);
    for (std::int64_t i = 0; i < n; ++i) sum[at + i] = x[at + i] + kept[i];
  }
}

}  // namespace

template <class T>
void residual_forward(const LayerNormArgs<T>& norm, const float* x, const T* branch, const DropoutArgs& dropout,
                      float* sum, int threads) {
  const std::int64_t width = norm.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < norm.rows; ++row) {
    const std::int64_t at = row * width;
    add_row(dropout, row, width, x + at, branch + at, sum + at);
    if (norm.y) normalize_row(norm, row, sum + at);
  }
}

template <class T>
void dropout(std::int64_t rows, std::int64_t width, const float* x, const DropoutArgs& dropout, T* y, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t at = row * width;
    if (dropout.active)
      drop_row(dropout, row, width, 0, width, x + at, y + at);
    else
      for (std::int64_t i = 0; i < width; ++i) store(y[at + i], x[at + i]);
  }
}

template void residual_forward(const LayerNormArgs<float>&, const float*, const float*, const DropoutArgs&, float*,
                               int);
template void residual_forward(const LayerNormArgs<Bf16>&, const float*, const Bf16*, const DropoutArgs&, float*, int);
template void dropout(std::int64_t, std::int64_t, const float*, const DropoutArgs&, float*, int);
template void dropout(std::int64_t, std::int64_t, const float*, const DropoutArgs&, Bf16*, int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
