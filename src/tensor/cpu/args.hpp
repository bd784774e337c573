// SPDX-License-Identifier: Apache-2.0
// Arguments of kernels as plain data: one definition serves the callers and the files compiled for every instruction
// set. Meaning of the tensors: tensor/ops.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.hpp"

namespace tessera::tensor::cpu {

/// tensor::Dropout, ready for kernels. Element index e, 64 bits; its word is word (e & 3) of philox4x32(key, {low 32
/// bits of e >> 2, site ^ (high bits of e >> 2) << 24, sample low, sample high}): the fold keeps the rule of
/// tensor/ops.hpp for every e below 2^34 and repeats nothing beyond, as sites stay below 2^24.
struct DropoutArgs {
  bool active;               ///< false: nothing is drawn, the other members are not read
  std::uint32_t key0, key1;  ///< Philox key
  std::uint32_t threshold;   ///< rate * 2^32: smaller words are dropped
  std::uint32_t site;
  float keep_scale;              ///< 1 / (1 - rate)
  const std::uint64_t* samples;  ///< [B]
  std::int64_t rows_per_sample;  ///< T; not read by attention
  std::int64_t first_row;        ///< row of [B * T] that row 0 is; not read by attention
};

template <class T>
struct LayerNormArgs {
  std::int64_t rows, width;
  const float* gain;  ///< [H]
  const float* bias;  ///< [H]
  float epsilon;
  T* y;         ///< [R, H]
  float* mean;  ///< [R]
  float* rstd;  ///< [R]
};

template <class T>
struct LayerNormBackwardArgs {
  std::int64_t rows, width;
  const T* dy;               ///< [R, H]
  const float *x, *gain;     ///< [R, H], [H]
  const float *mean, *rstd;  ///< [R]
  float* dx;                 ///< [R, H], +=
  float *dgain, *dbias;      ///< [H], +=
  float* partials;           ///< [2 * row_chunks, H] work space
};

struct TokenArgs {
  std::int64_t rows, width, entries;  ///< R, H, Vt: entries of the part of the table
  std::int64_t first_token;           ///< of the part
  const std::int32_t* tokens;         ///< [R]
};

struct PositionArgs {
  std::int64_t rows, width, length;  ///< R, H, T
  std::int64_t position_offset;
  std::int64_t first_row;  ///< row of [B * T] that row 0 is
};

template <class T>
struct CrossEntropyArgs {
  std::int64_t rows, vocab;
  T* logits;                    ///< [R, V], overwritten by the gradient if `backward`
  const std::int32_t* targets;  ///< [R]
  float* loss;                  ///< [R]
  float scale;
  bool backward;
};

/// Of a part of the vocabulary, [first_token, first_token + vocab).
template <class T>
struct PartialCrossEntropyArgs {
  std::int64_t rows, vocab;  ///< R, Vt
  std::int64_t first_token;
  T* logits;                    ///< [R, Vt]
  const std::int32_t* targets;  ///< [R]
};

struct AdamwArgs {
  float lr, beta1, beta2, epsilon, weight_decay, correction1, correction2, gradient_scale;
  base::Bf16* rounded;  ///< receives the new weights, or nullptr
};

/// Sums over rows are made in this many chunks, whatever the number of threads, and the chunks added in order.
inline constexpr std::int64_t row_chunks = 32;
/// Elements of one partial sum of a whole buffer.
inline constexpr std::int64_t sum_block = 4096;

}  // namespace tessera::tensor::cpu
