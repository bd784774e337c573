// SPDX-License-Identifier: Apache-2.0
// The merging of one piece, which encoding does once for each distinct piece that it meets.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/bpe.hpp"
#include "text/pair_table.hpp"

namespace tessera::text {

/// Work space to merge pieces: start from the bytes, merge the adjacent pair of lowest rank, leftmost first, until no
/// merge applies. O(n log n) by a heap of candidates, so a megabyte without a break is no trap.
class PieceMerger {
 public:
  /// `ranks`: the rank of each merge of `model`. Both must outlive the merger.
  PieceMerger(const BpeModel& model, const PairTable& ranks) : model_(model), ranks_(ranks) {}

  /// Appends the tokens of `piece`.
  void merge(std::string_view piece, std::vector<TokenId>& out);

 private:
  using Position = std::uint32_t;  // of a symbol: that of its first byte
  struct Symbol {
    TokenId id;  // -1: swallowed by the symbol before
    Position previous, next;
  };
  /// A merge that may apply; stale once one of its two symbols has changed.
  struct Candidate {
    std::uint32_t rank;
    Position at, next;
    TokenId left, right;  // what stood there when the candidate was found
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };

  void start(std::string_view piece);
  void apply(const Candidate& best);
  bool consider(Position at, Position next);
  void consider_and_sift(Position at, Position next);

  const BpeModel& model_;
  const PairTable& ranks_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace tessera::text
