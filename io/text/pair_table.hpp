// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "text/bpe.hpp"

namespace tessera::text {

/// A number for each pair of tokens: open addressing in one flat array, where std::unordered_map would miss the cache
/// once more for each look-up.
class PairTable {
 public:
  using Value = std::uint32_t;
  static constexpr Value kNone = std::numeric_limits<Value>::max();

  /// kNone if the pair has no value.
  Value find(PairKey pair) const { return slots_.empty() ? kNone : slots_[slot_of(pair)].value; }
  /// The pair's value; `fallback` is set first if it has none.
  Value insert(PairKey pair, Value fallback) {
    if (3 * (size_ + 1) > 2 * slots_.size()) grow();
    Slot& slot = slots_[slot_of(pair)];
    if (slot.value == kNone) {
      slot = {pair, fallback};
      ++size_;
    }
    return slot.value;
  }

 private:
  struct Slot {
    PairKey pair = 0;
    Value value = kNone;  // kNone: free
  };

  /// Where the pair is, or the free slot where it belongs.
  std::size_t slot_of(PairKey pair) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (PairHash{}(pair) >> 20) & mask;  // the upper bits of the product are the well mixed ones
    while (slots_[at].value != kNone && slots_[at].pair != pair) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    std::vector<Slot> smaller(slots_.empty() ? 64 : 2 * slots_.size());
    smaller.swap(slots_);
    for (const Slot& slot : smaller)
      if (slot.value != kNone) slots_[slot_of(slot.pair)] = slot;
  }

  std::vector<Slot> slots_;  // a power of two, at most 2/3 of them taken
  std::size_t size_ = 0;
};

}  // namespace tessera::text
