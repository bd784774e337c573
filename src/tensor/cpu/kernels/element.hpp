// SPDX-License-Identifier: Apache-2.0
// Kernels are templates over the element type of what they read and write; all arithmetic is in float.
#pragma once

#include "base/dtype.hpp"
#include "tensor/cpu/kernels/isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

using base::Bf16;

TESSERA_INLINE float load(float x) {
  return x;
}

TESSERA_INLINE float load(Bf16 x) {
  return bits_to_float(static_cast<std::uint32_t>(x.bits) << 16);
}

TESSERA_INLINE void store(float& to, float x) {
  to = x;
}

/// Rounds to nearest, ties to even; NaN stays NaN.
TESSERA_INLINE void store(Bf16& to, float x) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
  const std::uint32_t kept = x != x ? bits | 0x400000u : rounded;
  to.bits = static_cast<std::uint16_t>(kept >> 16);
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
