// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tessera::testing {

/// The bytes of standard base64 (RFC 4648, section 4), padding required. Throws std::runtime_error on anything else.
inline std::string decode_base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int, 256> digit_of{};
  digit_of.fill(-1);
  for (std::size_t digit = 0; digit < alphabet.size(); ++digit) {
    digit_of[static_cast<unsigned char>(alphabet[digit])] = static_cast<int>(digit);
  }
  if (text.size() % 4 != 0) throw std::runtime_error("base64: the length is not a multiple of 4");
  std::size_t num_padding = 0;
  while (num_padding < 2 && num_padding < text.size() && text[text.size() - 1 - num_padding] == '=') ++num_padding;

  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool padding = i >= text.size() - num_padding;
    const int digit = padding ? 0 : digit_of[static_cast<unsigned char>(text[i])];
    if (digit < 0) throw std::runtime_error("base64: bad character at offset " + std::to_string(i));
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 == 3) {
      for (int shift = 16; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(bits >> shift & 0xFF));
      bits = 0;
    }
  }
  bytes.resize(bytes.size() - num_padding);
  return bytes;
}

}  // namespace tessera::testing
