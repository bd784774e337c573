// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/philox.hpp"
#include "tensor/cpu/kernels/element.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

/// Most factors that draw_factors gives at a time.
constexpr std::int64_t kMostFactors = 256;

/// factors[i] = 0 or keep_scale of element `first + i` of `sample`, for i < count <= kMostFactors.
TESSERA_INLINE void draw_factors(const DropoutArgs& args, std::uint64_t sample, std::uint64_t first, std::int64_t count,
                                 float* factors) {
  std::uint32_t words[kMostFactors + 8];
  const std::uint64_t first_group = first >> 2;
  const auto skip = static_cast<std::int64_t>(first & 3);
  const std::int64_t num_groups = (skip + count + 3) / 4;
  for (std::int64_t g = 0; g < num_groups; ++g) {
    const std::uint64_t group = first_group + static_cast<std::uint64_t>(g);
    const std::uint32_t site = args.site ^ (static_cast<std::uint32_t>(group >> 32) << 24);
    base::philox4x32({args.key0, args.key1}, static_cast<std::uint32_t>(group), site,
                     static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32), words + 4 * g);
  }
  for (std::int64_t i = 0; i < count; ++i) factors[i] = words[skip + i] < args.threshold ? 0.0f : args.keep_scale;
}

/// y [count] = x [count] * factors of elements `column`... of row `row` of [R, width]. y may be x.
template <class From, class To>
TESSERA_INLINE void drop_row(const DropoutArgs& args, std::int64_t row, std::int64_t width, std::int64_t column,
                             std::int64_t count, const From* x, To* y) {
  const std::int64_t place = args.first_row + row;
  const std::uint64_t sample = args.samples[place / args.rows_per_sample];
  const auto start = static_cast<std::uint64_t>(place % args.rows_per_sample * width + column);
  alignas(64) float factors[kMostFactors];
  for (std::int64_t at = 0; at < count; at += kMostFactors) {
    const std::int64_t n = least(kMostFactors, count - at);
    draw_factors(args, sample, start + static_cast<std::uint64_t>(at), n, factors);
    for (std::int64_t i = 0; i < n; ++i) store(y[at + i], load(x[at + i]) * factors[i]);
  }
}

/// Dropout element index of the probability of a query and a key of a head.
TESSERA_INLINE std::uint64_t probability_element(const AttentionExtents& x, std::int64_t head, std::int64_t query,
                                                 std::int64_t key) {
  return static_cast<std::uint64_t>(((x.first_head + head) * x.queries + query) * x.keys + key);
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
