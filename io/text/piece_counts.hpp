// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "text/bpe_pattern.hpp"
#include "text/piece_table.hpp"

namespace tessera::text {

/// How often each distinct piece occurs.
struct PieceCounts {
  PieceTable pieces;
  std::vector<std::int64_t> counts;  // [pieces.size()]

  void add(std::string_view piece, std::int64_t count);
};

/// Counts the pieces of a corpus that comes in texts, by several threads. Keeps the distinct pieces only: memory does
/// not grow with a corpus that says nothing new.
class PieceCounter {
 public:
  explicit PieceCounter(int threads);
  /// Counts a text, which is not needed afterwards.
  void add(std::string_view text);
  /// The counts so far, which the counter gives away. Their order depends on which thread met a piece first; the counts
  /// do not.
  PieceCounts take();

 private:
  struct Share {
    explicit Share(const BpePattern& pattern) : walk(pattern) {}
    PieceWalk walk;
    PieceCounts counted;
  };
  BpePattern pattern_;
  std::vector<std::unique_ptr<Share>> shares_;  // [threads]
};

}  // namespace tessera::text
