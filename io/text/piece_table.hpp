// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tessera::text {

/// Numbers distinct pieces 0, 1, 2, ... as they first come, and keeps their bytes: open addressing in flat arrays, as
/// this is looked up once for each piece of a corpus.
class PieceTable {
 public:
  using Index = std::uint32_t;

  /// Number of `piece`, a new one if it has none yet (then it is size() - 1). Throws base::UsageError if the distinct
  /// pieces take 4 GiB.
  Index number(std::string_view piece);
  std::size_t size() const { return ends_.size(); }
  /// Bytes of piece `index`; valid until the next call of number() or clear().
  std::string_view operator[](Index index) const;
  /// Bytes of all pieces together.
  std::size_t num_bytes() const { return bytes_.size(); }
  void clear();

 private:
  struct Slot {
    std::uint32_t hash = 0, index_plus_one = 0;  // 0: free
  };
  void grow();

  std::vector<Slot> slots_;  // a power of two, at most 2/3 of them taken
  std::vector<std::uint32_t> ends_;
  std::vector<char> bytes_;
};

}  // namespace tessera::text
