// SPDX-License-Identifier: Apache-2.0
// Buffers with pseudo-random values, comparison with double-precision results, and the same bits for any threads.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <fmt/core.h>
#include <functional>
#include <string>
#include <vector>

#include "base/philox.hpp"
#include "reference/gpt_layers.hpp"
#include "tensor/ops.hpp"

namespace tessera::testing {

using reference::Values;
using tensor::Shape;
using tensor::View;

/// A tensor in single precision that owns its memory, 64-byte padded at no place: kernels must not rely on it.
struct Buffer {
  std::vector<float> values;
  Shape shape;

  explicit Buffer(Shape of) : values(static_cast<std::size_t>(of.num_elements()), 0.0f), shape(of) {}
  /// Standard normal values times `size`; `number` tells buffers of one test apart.
  Buffer(Shape of, std::uint64_t number, float size = 1.0f) : Buffer(of) {
    const base::PhiloxKey key = base::philox_key(11, base::RandomStream::test);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = size * base::random_normal(key, number, i);
  }
  View view() { return {values.data(), shape}; }
  Values doubles() const { return {values.begin(), values.end()}; }
};

/// |actual - expected| <= tolerance * (largest |expected| + floor): errors of a sum grow with its largest terms.
inline void expect_near(const std::vector<float>& actual, const Values& expected, double tolerance,
                        const std::string& what, double floor = 1e-3) {
  BOOST_REQUIRE_MESSAGE(actual.size() == expected.size(), what << ": " << actual.size() << " values");
  double largest = floor, worst = 0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  std::size_t where = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!(difference <= worst)) {
      worst = difference;
      where = i;
    }
  }
  BOOST_TEST(worst <= tolerance * largest, what << " [" << where << "]: " << actual[where] << " instead of "
                                                << expected[where] << ", allowed " << tolerance * largest);
}

/// Runs `operation` with 1, 2, 3, 7 and 16 threads; it returns its outputs, which must have the same bits. Returns
/// them.
inline std::vector<std::vector<float>> with_any_threads(
    const std::string& what, const std::function<std::vector<std::vector<float>>(tensor::Device&)>& operation) {
  tensor::Device one(1);
  const std::vector<std::vector<float>> expected = operation(one);
  for (const int threads : {2, 3, 7, 16}) {
    tensor::Device device(threads);
    const std::vector<std::vector<float>> outputs = operation(device);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      BOOST_TEST(std::memcmp(outputs[i].data(), expected[i].data(), expected[i].size() * sizeof(float)) == 0,
                 what << ": output " << i << " changes its bits with " << threads << " threads");
  }
  return expected;
}

/// Factor of element `element` of `sample`: the definition at tensor::Dropout, written again.
inline double dropout_factor(const tensor::Dropout& dropout, std::uint64_t sample, std::uint64_t element) {
  if (dropout.rate == 0.0f) return 1.0;
  std::uint32_t words[4];
  base::philox4x32(base::philox_key(dropout.seed, base::RandomStream::dropout),
                   static_cast<std::uint32_t>(element >> 2), dropout.site, static_cast<std::uint32_t>(sample),
                   static_cast<std::uint32_t>(sample >> 32), words);
  const double threshold = static_cast<double>(dropout.rate) * 4294967296.0;
  return words[element & 3] < std::floor(threshold) ? 0.0 : 1.0 / (1.0 - static_cast<double>(dropout.rate));
}

}  // namespace tessera::testing
