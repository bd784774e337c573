// SPDX-License-Identifier: Apache-2.0
#include "text/utf8.hpp"

#include <cstring>

namespace tessera::text {

CodePoint read_code_point(std::string_view text, std::size_t offset) {
  const auto byte = [&](std::size_t i) -> unsigned { return static_cast<unsigned char>(text[offset + i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  // E0, ED, F0 and F4 narrow the second byte: that excludes overlong forms, surrogates and values above U+10FFFF.
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const std::size_t num_bytes = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (num_bytes == 0 || text.size() - offset < num_bytes || byte(1) < low || byte(1) > high) return {};
  char32_t value = lead & (0x7Fu >> num_bytes);
  for (std::size_t i = 1; i < num_bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  return {value, num_bytes};
}

std::size_t well_formed_length(std::string_view text, std::size_t offset) {
  std::size_t at = offset;
  while (at < text.size()) {
    std::uint64_t eight = 0;  // ASCII goes by eight bytes
    if (text.size() - at >= sizeof eight) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t num_bytes = read_code_point(text, at).num_bytes;
    if (num_bytes == 0) break;
    at += num_bytes;
  }
  return at - offset;
}

bool is_white_space(char32_t value) {
  if (value <= 0x20) return value == 0x20 || (value >= 0x9 && value <= 0xD);
  return value == 0x85 || value == 0xA0 || value == 0x1680 || (value >= 0x2000 && value <= 0x200A) || value == 0x2028 ||
         value == 0x2029 || value == 0x202F || value == 0x205F || value == 0x3000;
}

void append_utf8(char32_t value, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (value < 0x80) {
    put(value);
    return;
  }
  if (value < 0x800) {
    put(0xC0 | (value >> 6));
  } else {
    if (value < 0x10000) {
      put(0xE0 | (value >> 12));
    } else {
      put(0xF0 | (value >> 18));
      put(0x80 | ((value >> 12) & 0x3F));
    }
    put(0x80 | ((value >> 6) & 0x3F));
  }
  put(0x80 | (value & 0x3F));
}

}  // namespace tessera::text
