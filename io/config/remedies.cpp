// SPDX-License-Identifier: Apache-2.0
#include "config/remedies.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace tessera::config {

std::vector<std::int64_t> divisors(std::int64_t number) {
  std::vector<std::int64_t> all;
  for (std::int64_t small = 1; small <= number / small; ++small) {
    if (number % small != 0) continue;
    all.push_back(small);
    if (number / small != small) all.push_back(number / small);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string divisors_near(std::int64_t number, std::int64_t wanted, const Bounds& bounds) {
  std::int64_t below = 0, above = 0;
  for (const std::int64_t divisor : divisors(number)) {
    if (!bounds.contain(divisor)) continue;
    if (divisor <= wanted) below = divisor;
    if (divisor >= wanted && above == 0) above = divisor;
  }
  if (below == 0 && above == 0) return "";
  if (below == 0 || above == 0 || below == above) return std::to_string(std::max(below, above));
  return fmt::format("{} or {}", below, above);
}

std::string multiples_near(std::int64_t value, std::int64_t step) {
  const std::int64_t below = value / step * step;
  return below == 0 ? std::to_string(step) : fmt::format("{} or {}", below, below + step);
}

std::string ranks_text(std::int64_t ranks) {
  return fmt::format("{} rank{}", ranks, ranks == 1 ? "" : "s");
}

}  // namespace tessera::config
