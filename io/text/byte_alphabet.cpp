// SPDX-License-Identifier: Apache-2.0
#include "text/byte_alphabet.hpp"

#include <array>

#include "text/utf8.hpp"

namespace tessera::text {

namespace {

constexpr std::size_t kNumCharacters = 0x100 + 68;

struct Alphabet {
  std::array<char16_t, 256> of_byte{};
  std::array<std::int16_t, kNumCharacters> of_character{};  // -1: not in the alphabet
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  for (auto& byte : alphabet.of_character) byte = -1;
  char16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    // U+00AD, the soft hyphen, is the hole in the printable upper half.
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    alphabet.of_byte[byte] = printable ? static_cast<char16_t>(byte) : next++;
    alphabet.of_character[alphabet.of_byte[byte]] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4);
  for (const char byte : bytes) append_utf8(kAlphabet.of_byte[static_cast<unsigned char>(byte)], out);
  return out;
}

std::optional<std::string> from_byte_alphabet(std::string_view characters) {
  std::string out;
  for (std::size_t at = 0; at < characters.size();) {
    const CodePoint character = read_code_point(characters, at);
    if (character.num_bytes == 0 || character.value >= kNumCharacters) return std::nullopt;
    const int byte = kAlphabet.of_character[character.value];
    if (byte < 0) return std::nullopt;
    out += static_cast<char>(static_cast<unsigned char>(byte));
    at += character.num_bytes;
  }
  return out;
}

}  // namespace tessera::text
