// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace tessera::base {

/// The value below which a share `at` (0 to 1) of at least one value lies, in a line between neighbours: 0 the least,
/// 0.5 the median, 1 the greatest.
inline double quantile(std::vector<double> values, double at) {
  std::sort(values.begin(), values.end());
  const double place = at * static_cast<double>(values.size() - 1), below = std::floor(place);
  const auto low = static_cast<std::size_t>(below);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - below) * (values[high] - values[low]);
}

/// Of at least one value; of an even number the mean of the middle two.
inline double median(std::vector<double> values) {
  return quantile(std::move(values), 0.5);
}

}  // namespace tessera::base
