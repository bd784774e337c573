// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

/// Rows whose target is negative take no part: no loss, no gradient.
TESSERA_INLINE void ignore_row(const CrossEntropyArgs& args, std::int64_t row) {
  args.loss[row] = 0.0f;
  if (!args.backward) return;
  for (std::int64_t i = 0; i < args.vocab; ++i) args.logits[row * args.vocab + i] = 0.0f;
}

/// Sum of exp(x - largest) over a row, which receives the terms if `store`. Blocks are summed on their own: one long
/// chain of 50,000 additions would lose three digits.
template <bool store>
TESSERA_INLINE float sum_of_exponentials(float* x, std::int64_t size, float largest) {
  constexpr std::int64_t kBlock = 1024;
  float total = 0.0f;
  for (std::int64_t first = 0; first < size; first += kBlock) {
    const std::int64_t last = least(size, first + kBlock);
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = first; i < last; ++i) {
      const float term = exp_fast(x[i] - largest);
      if (store) x[i] = term;
      sum += term;
    }
    total += sum;
  }
  return total;
}

}  // namespace

void cross_entropy(const CrossEntropyArgs& args, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const std::int32_t target = args.targets[row];
    if (target < 0) {
      ignore_row(args, row);
      continue;
    }
    float* x = args.logits + row * args.vocab;
    const float target_logit = x[target];
    float largest = x[0];
#pragma omp simd reduction(max : largest)
    for (std::int64_t i = 0; i < args.vocab; ++i) largest = x[i] > largest ? x[i] : largest;
    const float sum = args.backward ? sum_of_exponentials<true>(x, args.vocab, largest)
                                    : sum_of_exponentials<false>(x, args.vocab, largest);
    if (args.backward) {
      const float factor = args.scale / sum;
#pragma omp simd
      for (std::int64_t i = 0; i < args.vocab; ++i) x[i] *= factor;
      x[target] -= args.scale;
    }
    args.loss[row] = __builtin_logf(sum) + largest - target_logit;
  }
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
