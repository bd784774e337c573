// SPDX-License-Identifier: Apache-2.0
// Tensors in bf16 for tests, rounded by a definition of its own, and comparison of values that were rounded once.
#pragma once

#include <bit>
#include <iostream>

#include "tensor/library.hpp"
#include "unit/tensor/fixture.hpp"

namespace tessera::testing {

inline float widened(base::Bf16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

/// The nearest bf16 number by its definition: 8 significant bits, exponents of float, ties to the even one.
inline base::Bf16 nearest_bf16(float value) {
  if (std::isfinite(value) && value != 0.0f) {
    int exponent = 0;
    std::frexp(value, &exponent);
    const double spacing = std::ldexp(1.0, std::max(exponent - 8, -133));  // -133: denormals
    const double nearest = std::nearbyint(static_cast<double>(value) / spacing) * spacing;
    value = std::abs(nearest) < 0x1p128 ? static_cast<float>(nearest) : std::copysign(INFINITY, value);
  }
  return {static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16)};
}

/// A tensor in bf16 that owns its memory.
struct Bf16Buffer {
  std::vector<base::Bf16> values;
  Shape shape;

  explicit Bf16Buffer(Shape of) : values(static_cast<std::size_t>(of.num_elements())), shape(of) {}
  explicit Bf16Buffer(const Buffer& from) : shape(from.shape) {
    for (const float value : from.values) values.push_back(nearest_bf16(value));
  }
  /// Standard normal values times `size`, rounded; `number` tells buffers of one test apart.
  Bf16Buffer(Shape of, std::uint64_t number, float size = 1.0f) : Bf16Buffer(Buffer(of, number, size)) {}
  View view() { return {values.data(), shape}; }
  std::vector<float> floats() const {
    std::vector<float> result;
    for (const base::Bf16 value : values) result.push_back(widened(value));
    return result;
  }
  Values doubles() const {
    const std::vector<float> values_in_float = floats();
    return {values_in_float.begin(), values_in_float.end()};
  }
};

/// |actual - expected| <= one rounding to bf16, 2^-8 |expected|, and what float sums before it may have lost,
/// `tolerance` times the largest |expected| or `floor`.
inline void expect_rounded(const std::vector<float>& actual, const Values& expected, double tolerance,
                           const std::string& what, double floor = 1e-3) {
  BOOST_REQUIRE_MESSAGE(actual.size() == expected.size(), what << ": " << actual.size() << " values");
  double largest = floor, worst = 0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  std::size_t where = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double allowed = 0x1p-8 * std::abs(expected[i]) + tolerance * largest;
    const double excess = std::abs(static_cast<double>(actual[i]) - expected[i]) / allowed;
    if (!(excess <= worst)) {
      worst = excess;
      where = i;
    }
  }
  BOOST_TEST(worst <= 1.0, what << " [" << where << "]: " << actual[where] << " instead of " << expected[where]
                                << ", the rounding of which is exceeded " << worst << " times");
}

/// True, and a line that scripts/test.sh counts, on a CPU without products in bf16.
inline bool skipped_without_bf16() {
  if (tensor::has_bf16_products()) return false;
  std::cout << "SKIPPED: this CPU multiplies no bf16 (AVX512-BF16)" << std::endl;
  return true;
}

}  // namespace tessera::testing
