// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/element.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

/// Rows whose target is negative take no part: no loss, no gradient.
template <class T>
TESSERA_INLINE void ignore_row(T* x, std::int64_t size, bool backward, float& loss) {
  loss = 0.0f;
  if (!backward) return;
  for (std::int64_t i = 0; i < size; ++i) store(x[i], 0.0f);
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

TESSERA_INLINE float loss_of(float largest, float sum, float target_logit) {
  return __builtin_logf(sum) + largest - target_logit;
}

/// x = (softmax - onehot) * scale; `target` counts from x[0] and may lie outside. The exponentials are computed again:
/// cheaper than a second pass of stores, and a gradient in bf16 is rounded once.
template <class T>
TESSERA_INLINE void turn_into_gradient(T* x, std::int64_t size, std::int64_t target, float target_logit, float largest,
                                       float sum, float scale) {
  const float factor = scale / sum;
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) store(x[i], exp_fast(load(x[i]) - largest) * factor);
  if (target >= 0 && target < size) store(x[target], exp_fast(target_logit - largest) * factor - scale);
}

}  // namespace

template <class T>
void cross_entropy(const CrossEntropyArgs<T>& args, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const std::int32_t target = args.targets[row];
    T* x = args.logits + row * args.vocab;
    if (target < 0) {
      ignore_row(x, args.vocab, args.backward, args.loss[row]);
      continue;
    }
    const float target_logit = load(x[target]), largest = largest_of(x, args.vocab);
    const float sum = sum_of_exponentials(x, args.vocab, largest);
    args.loss[row] = loss_of(largest, sum, target_logit);
    if (args.backward) turn_into_gradient(x, args.vocab, target, target_logit, largest, sum, args.scale);
  }
}

template <class T>
void cross_entropy_partial(const PartialCrossEntropyArgs<T>& args, float* statistics, int threads) {
  const std::int64_t rows = args.rows;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* x = args.logits + row * args.vocab;
    const std::int64_t target = args.targets[row] - args.first_token;
    const bool mine = args.targets[row] >= 0 && target >= 0 && target < args.vocab;
    const float largest = largest_of(x, args.vocab);
    statistics[row] = largest;
    statistics[rows + row] = sum_of_exponentials(x, args.vocab, largest);
    statistics[2 * rows + row] = mine ? load(x[target]) : 0.0f;
  }
}

/// With one part these are the bits of cross_entropy: exp_fast(0) is 1.
template <class T>
void cross_entropy_combine(const PartialCrossEntropyArgs<T>& args, std::int64_t parts, const float* statistics,
                           float scale, float* loss, int threads) {
  const std::int64_t rows = args.rows;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < rows; ++row) {
    T* x = args.logits + row * args.vocab;
    if (args.targets[row] < 0) {
      ignore_row(x, args.vocab, scale > 0.0f, loss[row]);
      continue;
    }
    float largest = statistics[row], sum = 0.0f, target_logit = 0.0f;
    for (std::int64_t part = 1; part < parts; ++part) {
      const float other = statistics[3 * rows * part + row];
      largest = other > largest ? other : largest;
    }
    for (std::int64_t part = 0; part < parts; ++part) {
      const float* of_part = statistics + 3 * rows * part + row;
      sum += of_part[rows] * exp_fast(of_part[0] - largest);
      target_logit += of_part[2 * rows];
    }
    loss[row] = loss_of(largest, sum, target_logit);
    if (scale > 0.0f)
      turn_into_gradient(x, args.vocab, args.targets[row] - args.first_token, target_logit, largest, sum, scale);
  }
}

template void cross_entropy(const CrossEntropyArgs<float>&, int);
template void cross_entropy(const CrossEntropyArgs<Bf16>&, int);
template void cross_entropy_partial(const PartialCrossEntropyArgs<float>&, float*, int);
template void cross_entropy_partial(const PartialCrossEntropyArgs<Bf16>&, float*, int);
template void cross_entropy_combine(const PartialCrossEntropyArgs<float>&, std::int64_t, const float*, float, float*,
                                    int);
template void cross_entropy_combine(const PartialCrossEntropyArgs<Bf16>&, std::int64_t, const float*, float, float*,
                                    int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
