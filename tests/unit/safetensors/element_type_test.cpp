// SPDX-License-Identifier: Apache-2.0
#include "safetensors/element_type.hpp"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

namespace tessera::safetensors {
namespace {

constexpr std::size_t kAll = 0x10000;

/// All 65536 values of a type of 16 bits, widened at once.
std::vector<float> widen_all(std::string_view type) {
  std::vector<float> values(kAll);
  for (std::size_t i = 0; i < kAll; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    std::memcpy(reinterpret_cast<char*>(values.data()) + 2 * kAll + 2 * i, &half, sizeof half);
  }
  widen(type, values);
  return values;
}

/// binary16 by its definition, in double.
double f16(std::size_t bits) {
  const double sign = bits & 0x8000 ? -1.0 : 1.0;
  const auto exponent = static_cast<int>(bits >> 10 & 0x1F);
  const auto fraction = static_cast<double>(bits & 0x3FF);
  if (exponent == 31) return fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_f16_is_widened_exactly) {
  const std::vector<float> values = widen_all("F16");
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < kAll; ++i) {
    const double expected = f16(i), actual = values[i];
    const bool same = std::isnan(expected) ? std::isnan(actual) : expected == actual;
    wrong += same && std::signbit(values[i]) == (i >= 0x8000) ? 0 : 1;
  }
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(std::bit_cast<std::uint32_t>(values[0x7E01]) == 0x7FC02000u);  // the bits of a NaN are kept
}

BOOST_AUTO_TEST_CASE(every_bf16_is_the_upper_half_of_its_float) {
  const std::vector<float> values = widen_all("BF16");
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < kAll; ++i) wrong += std::bit_cast<std::uint32_t>(values[i]) == i << 16 ? 0 : 1;
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(types_that_are_not_read) {
  BOOST_TEST(element_bytes("F64") == 8u);
  BOOST_TEST(element_bytes("BOOL") == 1u);
  BOOST_TEST(element_bytes("F4") == 0u);  // half a byte
  BOOST_TEST(element_bytes("f32") == 0u);
  BOOST_TEST(!is_readable("F64"));
  std::vector<float> one(1);
  BOOST_CHECK_THROW(widen("F64", one), std::logic_error);
}

}  // namespace tessera::safetensors
