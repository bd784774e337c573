// SPDX-License-Identifier: Apache-2.0
// GPT-2 writes the bytes of a token as printable characters: a byte that is printable in Latin-1 stands for itself, the
// 68 others become U+0100, U+0101, ... in byte order (space is "Ġ", newline "Ċ"). So JSON and line-based files can hold
// any bytes, and a blank can separate tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera::text {

/// Bytes as characters of the alphabet, in UTF-8.
std::string to_byte_alphabet(std::string_view bytes);
/// The way back; nothing if a character does not belong to the alphabet.
std::optional<std::string> from_byte_alphabet(std::string_view characters);

}  // namespace tessera::text
