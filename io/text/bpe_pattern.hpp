// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

namespace tessera::text {

/// GPT-2's pre-tokenization pattern, compiled once. Immutable: any number of threads may walk texts with it.
///
/// Rule for bytes that are not UTF-8: a text is cut into maximal well-formed runs and the bytes between them. The
/// pattern sees each run as a text of its own, and each byte outside of a run is a piece of its own. So any text is the
/// concatenation of its pieces.
class BpePattern {
 public:
  BpePattern();
  ~BpePattern();
  BpePattern(const BpePattern&) = delete;
  BpePattern& operator=(const BpePattern&) = delete;

 private:
  friend class PieceWalk;
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

/// Walks over the pieces of texts, which are not copied: pattern and text must outlive the walk and its pieces. A walk
/// belongs to one thread; starting again is cheaper than a new walk.
class PieceWalk {
 public:
  explicit PieceWalk(const BpePattern& pattern);
  PieceWalk(const BpePattern& pattern, std::string_view text) : PieceWalk(pattern) { start(text); }
  ~PieceWalk();
  PieceWalk(const PieceWalk&) = delete;
  PieceWalk& operator=(const PieceWalk&) = delete;

  void start(std::string_view text);
  /// Sets `piece` to the next piece, never empty; false at the end of the text.
  bool next(std::string_view& piece);
  /// The same by PCRE2 alone, for comparison.
  bool next_by_pattern(std::string_view& piece);

 private:
  struct Matcher;
  std::string_view take(std::size_t size);

  const BpePattern& pattern_;
  std::string_view text_;
  std::size_t at_ = 0;                       // bytes walked
  std::size_t run_begin_ = 0, run_end_ = 0;  // the well-formed run that PCRE2 saw last
  std::unique_ptr<Matcher> matcher_;         // made for the first piece that needs PCRE2
};

}  // namespace tessera::text
