// SPDX-License-Identifier: Apache-2.0
// Ba, Kiros & Hinton 2016. With h = (x - mean) rstd and g = dy gain:
//   dx = rstd (g - mean(g) - h mean(g h)),  dgain = sum of dy h,  dbias = sum of dy.
#include "tensor/cpu/kernels/kernels_isa.hpp"
#include "tensor/cpu/kernels/rows.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

template <class T>
TESSERA_INLINE void backward_row(const LayerNormBackwardArgs<T>& args, std::int64_t row, float* dgain, float* dbias) {
  const std::int64_t width = args.width;
  const T* dy = args.dy + row * width;
  const float* x = args.x + row * width;
  float* dx = args.dx + row * width;
  const float mean = args.mean[row], rstd = args.rstd[row];
  float sum = 0.0f, sum_normalized = 0.0f;
#pragma omp simd reduction(+ : sum, sum_normalized)
  for (std::int64_t i = 0; i < width; ++i) {
    const float normalized = (x[i] - mean) * rstd, g = load(dy[i]) * args.gain[i];
    sum += g;
    sum_normalized += g * normalized;
  }
  const float mean_g = sum / static_cast<float>(width), mean_gh = sum_normalized / static_cast<float>(width);
#pragma omp simd
  for (std::int64_t i = 0; i < width; ++i) {
    const float normalized = (x[i] - mean) * rstd;
    const float slope = load(dy[i]);
    dx[i] += rstd * (slope * args.gain[i] - mean_g - normalized * mean_gh);
    dgain[i] += slope * normalized;
    dbias[i] += slope;
  }
}

}  // namespace

template <class T>
void layernorm_forward(const LayerNormArgs<T>& args, const float* x, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) normalize_row(args, row, x + row * args.width);
}

template <class T>
void layernorm_backward(const LayerNormBackwardArgs<T>& args, int threads) {
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

template <class T>
void column_sums(std::int64_t rows, std::int64_t width, const T* x, float* out, float* partials, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t chunk = 0; chunk < row_chunks; ++chunk) {
    float* partial = partials + chunk * width;
    for (std::int64_t i = 0; i < width; ++i) partial[i] = 0.0f;
    for (std::int64_t row = chunk_start(rows, chunk); row < chunk_start(rows, chunk + 1); ++row)
      for (std::int64_t i = 0; i < width; ++i) partial[i] += load(x[row * width + i]);
  }
  add_partials(width, partials, out, threads);
}

template void layernorm_forward(const LayerNormArgs<float>&, const float*, int);
template void layernorm_forward(const LayerNormArgs<Bf16>&, const float*, int);
template void layernorm_backward(const LayerNormBackwardArgs<float>&, int);
template void layernorm_backward(const LayerNormBackwardArgs<Bf16>&, int);
template void column_sums(std::int64_t, std::int64_t, const float*, float*, float*, int);
template void column_sums(std::int64_t, std::int64_t, const Bf16*, float*, float*, int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
