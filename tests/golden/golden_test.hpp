// SPDX-License-Identifier: Apache-2.0
// What the golden tests share: the cases, where data lies, and comparison that says where it failed.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "support/golden_file.hpp"

namespace tessera::testing {

/// Files of tests/golden/data.
inline const std::vector<std::string> golden_cases = {"gpt_gelu_tanh_tied", "gpt_gelu_tied", "gpt_relu_tied",
                                                      "gpt_silu_tied", "gpt_gelu_tanh_untied"};

/// The case whose weights and batch ran once more with banded attention.
inline const std::string banded_case = "gpt_silu_tied";

inline std::string golden_path(const std::string& name) {
  return std::string(TESSERA_GOLDEN_DATA) + "/" + name + ".h5";
}

inline GoldenFile golden_case(const std::string& name) {
  return read_golden_file(golden_path(name));
}

inline GoldenVariant golden_variant(const std::string& name) {
  return read_golden_variant(golden_path(name));
}

/// Says on the console that a test case cannot run; scripts/test.sh counts these lines.
inline void skip(const std::string& why) {
  const std::string message = "SKIPPED: " + why;
  std::cout << message << std::endl;
  BOOST_TEST_MESSAGE(message);
}

/// Path of a file of the development data, or "" (and a line that says so) where it is absent.
inline std::string shared_data(const std::string& name) {
  const std::string path = std::string(TESSERA_SHARED_DATA) + "/" + name;
  if (std::filesystem::exists(path)) return path;
  skip(path + " is absent");
  return "";
}

/// |actual - expected| <= absolute + relative * |expected| for each element; a NaN fails, equal infinities pass. One
/// report for the worst element. Returns the largest difference.
template <class Actual, class Expected>
double expect_close(const Actual& actual, const Expected& expected, double absolute, double relative,
                    const std::string& what) {
  BOOST_REQUIRE_MESSAGE(actual.size() == expected.size(),
                        what << ": " << actual.size() << " values, " << expected.size() << " expected");
  std::size_t worst = 0, num_bad = 0;
  double worst_excess = -1, largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = actual[i], e = expected[i];
    if (a == e) continue;
    const double difference = std::abs(a - e), excess = difference / (absolute + relative * std::abs(e));
    if (!(excess <= 1)) ++num_bad;
    if (!(excess <= worst_excess)) {
      worst = i;
      worst_excess = excess;
    }
    largest = std::max(largest, difference);
  }
  BOOST_CHECK_MESSAGE(num_bad == 0, what << ": " << num_bad << " of " << expected.size()
                                         << " values differ, the worst [" << worst << "]: " << actual[worst]
                                         << " instead of " << expected[worst] << ", allowed " << absolute << " + "
                                         << relative << " * |expected|");
  return largest;
}

}  // namespace tessera::testing
