// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace tessera::text {

/// A text may be cut in front of a character of white space that one of no white space follows: no token of our
/// tokenizers reaches across, so the tokens of the parts are those of the whole. Returns the bytes in front of the last
/// such place of `text` that is not before byte `first`, 0 if there is none. Pure.
std::size_t last_cut(std::string_view text, std::size_t first = 0);

/// Consecutive parts of `text` of at most `bytes` bytes; longer ones where there is no place for a cut.
std::vector<std::string_view> cut(std::string_view text, std::size_t bytes);

}  // namespace tessera::text
