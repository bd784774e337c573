// SPDX-License-Identifier: Apache-2.0
#include "safetensors/element_type.hpp"

#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>

namespace tessera::safetensors {
namespace {

struct ElementType {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr ElementType kTypes[] = {{"F32", 4},     {"F16", 2},     {"BF16", 2},        {"F64", 8},        {"I64", 8},
                                  {"I32", 4},     {"I16", 2},     {"I8", 1},          {"U64", 8},        {"U32", 4},
                                  {"U16", 2},     {"U8", 1},      {"BOOL", 1},        {"C64", 8},        {"F8_E4M3", 1},
                                  {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"F8_E4M3FNUZ", 1}, {"F8_E5M2FNUZ", 1}};

std::uint32_t from_bf16(std::uint16_t bits) {
  return std::uint32_t{bits} << 16;
}

/// IEEE 754 binary16: sign, 5 bits of exponent with bias 15, 10 of fraction.
std::uint32_t from_f16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1Fu, fraction = bits & 0x3FFu;
  if (exponent == 0x1F) return sign | 0x7F800000u | fraction << 13;  // infinity, or a NaN with its fraction
  if (exponent > 0) return sign | (exponent + 127 - 15) << 23 | fraction << 13;
  const auto subnormal = std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24f);
  return sign | subnormal;
}

template <class ToBits>
void widen_halves(std::span<float> values, ToBits to_bits) {
  const std::size_t n = values.size();
  char* const bytes = reinterpret_cast<char*>(values.data());
  // Float i covers bytes [4i, 4i + 4), half i + 1 begins at 2n + 2i + 2 >= 4i + 4: none is overwritten unread.
  for (std::size_t i = 0; i < n; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes + 2 * n + 2 * i, sizeof half);
    const std::uint32_t word = to_bits(half);
    std::memcpy(bytes + 4 * i, &word, sizeof word);
  }
}

}  // namespace

std::uint64_t element_bytes(std::string_view type) {
  for (const ElementType& known : kTypes)
    if (known.name == type) return known.bytes;
  return 0;
}

bool is_readable(std::string_view type) {
  return type == "F32" || type == "F16" || type == "BF16";
}

void widen(std::string_view type, std::span<float> values) {
  if (type == "F16")
    widen_halves(values, from_f16);
  else if (type == "BF16")
    widen_halves(values, from_bf16);
  else if (type != "F32")
    throw std::logic_error("widen: " + std::string(type) + " is not readable");
}

}  // namespace tessera::safetensors
