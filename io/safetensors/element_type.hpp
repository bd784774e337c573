// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tessera::safetensors {

/// Bytes of an element of a type as headers spell it, "BF16"; 0 if this is no type that the format knows, or one whose
/// elements are no whole bytes.
std::uint64_t element_bytes(std::string_view type);

/// True for the types that widen() knows: F32, F16, BF16.
bool is_readable(std::string_view type);

/// Turns elements of a readable type into floats in place and exactly: every value of F16 and BF16 is one of f32, and
/// NaNs keep their bits. On entry the elements, little-endian as in files, lie in the last bytes of `values`.
void widen(std::string_view type, std::span<float> values);

}  // namespace tessera::safetensors
