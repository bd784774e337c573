// SPDX-License-Identifier: Apache-2.0
// Ba, Kiros & Hinton 2016. With h = (x - mean) rstd and g = dy gain:
//   dx = rstd (g - mean(g) - h mean(g h)),  dgain = sum of dy h,  dbias = sum of dy.
#include "tensor/cpu/kernels/kernels_isa.hpp"
#include "tensor/cpu/kernels/rows.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

TESSERA_INLINE void backward_row(const LayerNormBackwardArgs& args, std::int64_t row, float* dgain, float* dbias) {
  const std::int64_t width = args.width;
  const float *dy = args.dy + row * width, *x = args.x + row * width;
  float* dx = args.dx + row * width;
  const float mean = args.mean[row], rstd = args.rstd[row];
  float sum = 0.0f, sum_normalized = 0.0f;
#pragma omp simd reduction(+ : sum, sum_normalized)
  for (std::int64_t i = 0; i < width; ++i) {
    const float normalized = (x[i] - mean) * rstd, g = dy[i] * args.gain[i];
    sum += g;
    sum_normalized += g * normalized;
  }
  const float mean_g = sum / static_cast<float>(width), mean_gh = sum_normalized / static_cast<float>(width);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    const float normalized = (x[i] - mean) * rstd;
    dx[i] += rstd * (dy[i] * args.gain[i] - mean_g - normalized * mean_gh);
    dgain[i] += dy[i] * normalized;
    dbias[i] += dy[i];
  }
}

}  // namespace

void layernorm_forward(const LayerNormArgs& args, const float* x, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) normalize_row(args, row, x + row * args.width);
}

void layernorm_backward(const LayerNormBackwardArgs& args, int threads) {
  float* dgains = args.partials;
  float* dbiases = args.partials + row_chunks * args.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t chunk = 0; chunk < row_chunks; ++chunk) {
    float *dgain = dgains + chunk * args.width, *dbias = dbiases + chunk * args.width;
    for (std::int64_t i = 0; i < args.width; ++i) dgain[i] = dbias[i] = 0.0f;
    for (std::int64_t row = chunk_start(args.rows, chunk); row < chunk_start(args.rows, chunk + 1); ++row)
      backward_row(args, row, dgain, dbias);
  }
  add_partials(args.width, dgains, args.dgain, threads);
  add_partials(args.width, dbiases, args.dbias, threads);
}

void column_sums(std::int64_t rows, std::int64_t width, const float* x, float* out, float* partials, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t chunk = 0; chunk < row_chunks; ++chunk) {
    float* partial = partials + chunk * width;
    for (std::int64_t i = 0; i < width; ++i) partial[i] = 0.0f;
    for (std::int64_t row = chunk_start(rows, chunk); row < chunk_start(rows, chunk + 1); ++row)
      for (std::int64_t i = 0; i < width; ++i) partial[i] += x[row * width + i];
  }
  add_partials(width, partials, out, threads);
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
