// SPDX-License-Identifier: Apache-2.0
#include "text/cuts.hpp"

#include "text/utf8.hpp"

namespace tessera::text {

namespace {

/// The pattern of BPE takes white space that a character follows as a run without its last one, and begins a new piece
/// with that: `\s+(?!\S)`, then ` ?\p{L}+` and the like or `\s+`. So the last one begins a piece whatever stands in
/// front of it, and the run before ends a piece at the end of a text just as well.
bool is_cut(std::string_view text, std::size_t at) {
  const CodePoint space = read_code_point(text, at);
  if (space.num_bytes == 0 || !is_white_space(space.value) || at + space.num_bytes == text.size()) return false;
  const CodePoint next = read_code_point(text, at + space.num_bytes);
  return next.num_bytes > 0 && !is_white_space(next.value);
}

}  // namespace

std::size_t last_cut(std::string_view text, std::size_t first) {
  for (std::size_t at = text.size(); at > first && at > 1;)
    if (is_cut(text, --at)) return at;
  return 0;
}

std::vector<std::string_view> cut(std::string_view text, std::size_t bytes) {
  std::vector<std::string_view> parts;
  while (text.size() > bytes) {
    std::size_t at = last_cut(text.substr(0, bytes));
    if (at == 0)  // none in the window: the next one behind its beginning
      for (at = 1; at < text.size() && !is_cut(text, at);) ++at;
    parts.push_back(text.substr(0, at));
    text.remove_prefix(at);
  }
  if (!text.empty()) parts.push_back(text);
  return parts;
}

}  // namespace tessera::text
