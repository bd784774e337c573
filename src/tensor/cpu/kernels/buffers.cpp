// SPDX-License-Identifier: Apache-2.0
// Operations on whole buffers.
#include "tensor/cpu/kernels/element.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

void block_sums(bool squares, std::int64_t size, const float* x, double* partials, int threads) {
  const std::int64_t num_blocks = (size + sum_block - 1) / sum_block;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t block = 0; block < num_blocks; ++block) {
    const std::int64_t last = least(size, (block + 1) * sum_block);
    double sum = 0.0;
    if (squares) {
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = block * sum_block; i < last; ++i)
        sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    } else {
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = block * sum_block; i < last; ++i) sum += static_cast<double>(x[i]);
    }
    partials[block] = sum;
  }
}

/// Comparisons are written so that NaN stays NaN: the non-finite policy must see it.
void clamp(std::int64_t size, float limit, float* x, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) {
    const float low = x[i] < -limit ? -limit : x[i];
    x[i] = low > limit ? limit : low;
  }
}

void fill_zero(std::int64_t size, float* x, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) x[i] = 0.0f;
}

void add(std::int64_t size, const float* first, const float* second, float* target, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) target[i] = first[i] + second[i];
}

/// A block of sums stays in the cache while the parts pass by, and is stored when all were read.
template <class T, class Out>
void sum_in_order(std::int64_t count, const T* const* parts, std::int64_t size, Out* out, int threads) {
  constexpr std::int64_t kBlock = 1024;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t first = 0; first < size; first += kBlock) {
    const std::int64_t n = least(kBlock, size - first);
    alignas(64) float sum[kBlock];
    for (std::int64_t i = 0; i < n; ++i) sum[i] = load(parts[0][first + i]);
    for (std::int64_t part = 1; part < count; ++part) {
      const T* from = parts[part] + first;
      for (std::int64_t i = 0; i < n; ++i) sum[i] += load(from[i]);
    }
    for (std::int64_t i = 0; i < n; ++i) store(out[first + i], sum[i]);
  }
}

template void sum_in_order(std::int64_t, const float* const*, std::int64_t, float*, int);
template void sum_in_order(std::int64_t, const float* const*, std::int64_t, Bf16*, int);
template void sum_in_order(std::int64_t, const Bf16* const*, std::int64_t, float*, int);
template void sum_in_order(std::int64_t, const Bf16* const*, std::int64_t, Bf16*, int);

namespace {

template <bool with_rounded>
void update(const AdamwArgs& args, std::int64_t size, float* w, const float* gradient, float* m, float* v,
            int threads) {
  const float beta1 = args.beta1, beta2 = args.beta2, lr = args.lr, decay = args.weight_decay, eps = args.epsilon;
  const float inverse1 = 1.0f / args.correction1, inverse2 = 1.0f / args.correction2;
  Bf16* rounded = args.rounded;
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) {
    const float g = gradient[i] * args.gradient_scale;
    m[i] = beta1 * m[i] + (1.0f - beta1) * g;
    v[i] = beta2 * v[i] + (1.0f - beta2) * g * g;
    w[i] -= lr * (m[i] * inverse1 / (__builtin_sqrtf(v[i] * inverse2) + eps) + decay * w[i]);
    if (with_rounded) store(rounded[i], w[i]);
  }
}

}  // namespace

void adamw(const AdamwArgs& args, std::int64_t size, float* w, const float* gradient, float* m, float* v, int threads) {
  if (args.rounded)
    update<true>(args, size, w, gradient, m, v, threads);
  else
    update<false>(args, size, w, gradient, m, v, threads);
}

void round(std::int64_t size, const float* x, Bf16* y, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) store(y[i], x[i]);
}

void widen(std::int64_t size, const Bf16* x, float* y, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) y[i] = load(x[i]);
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
