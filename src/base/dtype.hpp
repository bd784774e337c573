// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace tessera::base {

/// Element types of tensors.
enum class DType : std::uint8_t { f32, bf16, i32 };

/// A bfloat16 in memory: the upper half of a float. Arithmetic is done in float (tensor/cpu/kernels/element.hpp).
struct Bf16 {
  std::uint16_t bits;
  bool operator==(const Bf16&) const = default;
};

/// Rounded to nearest, ties to even. `value` must not be NaN.
inline Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

/// Size of one element in bytes.
constexpr std::size_t size_bytes(DType dtype) {
  return dtype == DType::bf16 ? 2 : 4;
}

constexpr const char* name_of(DType dtype) {
  return dtype == DType::f32 ? "f32" : dtype == DType::bf16 ? "bf16" : "i32";
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<Bf16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};

}  // namespace tessera::base
