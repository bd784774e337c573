// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::base {

/// Element types of tensors. bf16 joins them with its kernels.
enum class DType : std::uint8_t { f32, i32 };

/// Size of one element in bytes.
constexpr std::size_t size_bytes(DType) {
  return 4;
}

constexpr const char* name_of(DType dtype) {
  return dtype == DType::f32 ? "f32" : "i32";
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};

}  // namespace tessera::base
