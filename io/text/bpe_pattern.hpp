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

/// One walk over the pieces of a text, which is not copied: pattern and text must outlive the walk and its pieces.
class PieceWalk {
 public:
  PieceWalk(const BpePattern& pattern, std::string_view text);
  ~PieceWalk();
  PieceWalk(const PieceWalk&) = delete;
  PieceWalk& operator=(const PieceWalk&) = delete;

  /// Sets `piece` to the next piece, never empty; false at the end of the text.
  bool next(std::string_view& piece);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::text
