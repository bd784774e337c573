// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/element.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

/// Rows whose target is negative take no part: no loss, no gradient.
template <class T>
TESSERA_INLINE void ignore_row(const CrossEntropyArgs<T>& args, std::int64_t row) {
  args.loss[row] = 0.0f;
  if (!args.backward) return;
  for (std::int64_t i = 0; i < args.vocab; ++i) store(args.logits[row * args.vocab + i], 0.0f);
}

template <class T>
TESSERA_INLINE float largest_of(const T* x, std::int64_t size) {
  float largest = load(x[0]);
#pragma omp simd reduction(max : largest)
  for (std::int64_t i = 0; i < size; ++i) largest = load(x[i]) > largest ? load(x[i]) : largest;
  return largest;
}

/// Sum of exp(x - largest) over a row. Blocks are summed on their own: one long chain of 50,000 additions would lose
/// three digits.
template <class T>
TESSERA_INLINE float sum_of_exponentials(const T* x, std::int64_t size, float largest) {
  constexpr std::int64_t kBlock = 1024;
  float total = 0.0f;
  for (std::int64_t first = 0; first < size; first += kBlock) {
    const std::int64_t last = least(size, first + kBlock);
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = first; i < last; ++i) sum += exp_fast(load(x[i]) - largest);
    total += sum;
  }
  return total;
}

}  // namespace

/// The exponentials are computed again for the gradient: cheaper than a second pass of stores, and a gradient in bf16
/// is rounded once.
template <class T>
void cross_entropy(const CrossEntropyArgs<T>& args, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const std::int32_t target = args.targets[row];
    if (target < 0) {
      ignore_row(args, row);
      continue;
    }
    T* x = args.logits + row * args.vocab;
    const float target_logit = load(x[target]), largest = largest_of(x, args.vocab);
    const float sum = sum_of_exponentials(x, args.vocab, largest);
    args.loss[row] = __builtin_logf(sum) + largest - target_logit;
    if (!args.backward) continue;
    const float factor = args.scale / sum;
#pragma omp simd
    for (std::int64_t i = 0; i < args.vocab; ++i) store(x[i], exp_fast(load(x[i]) - largest) * factor);
    store(x[target], exp_fast(target_logit - largest) * factor - args.scale);
  }
}

template void cross_entropy(const CrossEntropyArgs<float>&, int);
template void cross_entropy(const CrossEntropyArgs<Bf16>&, int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
