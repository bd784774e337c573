// SPDX-License-Identifier: Apache-2.0
#include "text/piece_table.hpp"

#include <algorithm>
#include <functional>
#include <limits>

#include "base/error.hpp"

namespace tessera::text {

PieceTable::Index PieceTable::number(std::string_view piece) {
  if (3 * (size() + 1) > 2 * slots_.size()) grow();
  const auto hash = static_cast<std::uint32_t>(std::hash<std::string_view>{}(piece));
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at].index_plus_one != 0; at = (at + 1) & mask) {
    const Index index = slots_[at].index_plus_one - 1;
    if (slots_[at].hash == hash && (*this)[index] == piece) return index;
  }
  if (piece.size() >= std::numeric_limits<std::uint32_t>::max() - bytes_.size())
    base::fail_usage("the distinct pieces of the text take more than 4 GiB; take a part of the text");
  bytes_.insert(bytes_.end(), piece.begin(), piece.end());
  ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  slots_[at] = {hash, static_cast<std::uint32_t>(size())};
  return static_cast<Index>(size() - 1);
}

std::string_view PieceTable::operator[](Index index) const {
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return {bytes_.data() + begin, ends_[index] - begin};
}

void PieceTable::clear() {
  std::fill(slots_.begin(), slots_.end(), Slot{});
  ends_.clear();
  bytes_.clear();
}

void PieceTable::grow() {
  std::vector<Slot> larger(std::max<std::size_t>(64, 2 * slots_.size()));
  const std::size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.index_plus_one == 0) continue;
    std::size_t at = slot.hash & mask;
    while (larger[at].index_plus_one != 0) at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

}  // namespace tessera::text
