// SPDX-License-Identifier: Apache-2.0
// Ground of the kernel files, which are compiled once for every instruction set (TESSERA_ISA = v3 | v4, TESSERA_LANES =
// floats of a vector register). One rule keeps the copies apart: nothing but static, always-inline functions and plain
// data is shared between them, and no std template, since the linker keeps one copy of an inline function for all.
#pragma once

#include "tensor/cpu/kernels.hpp"

#define TESSERA_INLINE [[gnu::always_inline, maybe_unused]] static inline

namespace tessera::tensor::cpu::TESSERA_ISA {

TESSERA_INLINE std::int64_t least(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

TESSERA_INLINE float bits_to_float(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

/// exp(x) to 2 units in the last place, without branches; x is clamped to where the result is a normal number. NaN
/// stays NaN. Cody-Waite reduction by ln 2 in two parts, then the Taylor polynomial of degree 7 on [-ln2/2, ln2/2].
TESSERA_INLINE float exp_fast(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const float shifted = x * 1.44269504088896341f + kMagic;
  const float n = shifted - kMagic;
  const float r = (x - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const std::uint32_t exponent = (__builtin_bit_cast(std::uint32_t, shifted) + 127u) << 23;
  return p * bits_to_float(exponent);
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
