// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::text {

/// One character read from a text.
struct CodePoint {
  char32_t value = 0;
  std::size_t num_bytes = 0;  ///< 0: no well-formed UTF-8 sequence starts here
};

/// Reads the character at `offset` (< text.size()). Well-formed as table 3-7 of the Unicode standard has it: no
/// overlong forms, no surrogates, nothing above U+10FFFF.
CodePoint read_code_point(std::string_view text, std::size_t offset);

/// Bytes from `offset` up to the first byte that starts no well-formed sequence.
std::size_t well_formed_length(std::string_view text, std::size_t offset);

/// The Unicode property White_Space: what \s means in GPT-2's pattern.
bool is_white_space(char32_t value);

/// Appends a code point as UTF-8.
void append_utf8(char32_t value, std::string& out);

}  // namespace tessera::text
