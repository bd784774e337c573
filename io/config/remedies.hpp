// SPDX-License-Identifier: Apache-2.0
// Numbers that a refused one can be replaced by, as messages name them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace tessera::config {

/// Values that would do, both ends included.
struct Bounds {
  std::int64_t least = 1, most = std::numeric_limits<std::int64_t>::max();
  bool contain(std::int64_t value) const { return value >= least && value <= most; }
};

/// All divisors of `number` > 0, smallest first.
std::vector<std::int64_t> divisors(std::int64_t number);
/// The divisors of `number` within `bounds` next to `wanted`: "4 or 8", "8", or "" if there is none.
std::string divisors_near(std::int64_t number, std::int64_t wanted, const Bounds& bounds = {});
/// The multiples of `step` next to `value`: "8 or 12".
std::string multiples_near(std::int64_t value, std::int64_t step);
/// "1 rank", "8 ranks".
std::string ranks_text(std::int64_t ranks);

}  // namespace tessera::config
