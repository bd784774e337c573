// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cassert>
#include <cstdint>

namespace tessera::tensor {

/// Indices [first, first + size).
struct Range {
  std::int64_t first = 0, size = 0;
  std::int64_t last() const { return first + size; }
  bool operator==(const Range&) const = default;
};

/// Part `index` of `size` indices cut into `parts` consecutive parts whose sizes differ by at most one, larger ones
/// first; parts beyond `size` are empty. The one rule by which Tessera cuts: heads, columns and vocabulary over tensor
/// ranks, rows over data ranks. Pure.
inline Range part_of(std::int64_t size, std::int64_t parts, std::int64_t index) {
  assert(parts > 0 && index >= 0 && index < parts);
  const std::int64_t least = size / parts, rest = size % parts;
  return {index * least + (index < rest ? index : rest), least + (index < rest ? 1 : 0)};
}

}  // namespace tessera::tensor
