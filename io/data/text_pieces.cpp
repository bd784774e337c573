// SPDX-License-Identifier: Apache-2.0
#include "data/text_pieces.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/error.hpp"

namespace tessera::data {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{16} << 20;

/// Bytes that are certainly no whitespace: printable ASCII. Others may belong to Unicode whitespace.
bool is_solid(char c) {
  return c > ' ' && c < '\x7f';
}

}  // namespace

std::size_t last_cut(std::string_view text) {
  for (std::size_t at = text.size(); at-- > 2;)
    if (text[at - 1] == '\n' && is_solid(text[at]) && is_solid(text[at - 2])) return at;
  return 0;
}

std::uint64_t for_each_piece(const std::string& path,
                             const std::function<void(std::string_view, std::uint64_t)>& visit) {
  std::ifstream file;
  std::istream* stream = &std::cin;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file || std::filesystem::is_directory(path))
      base::fail_usage("'{}' cannot be read: {}", path, std::strerror(errno ? errno : EISDIR));
    stream = &file;
  }
  std::string buffer;
  std::uint64_t offset = 0;
  for (bool more = true; more;) {
    const std::size_t kept = buffer.size();
    buffer.resize(kept + kPieceBytes);
    stream->read(buffer.data() + kept, static_cast<std::streamsize>(kPieceBytes));
    const auto count = static_cast<std::size_t>(stream->gcount());
    if (stream->bad()) base::fail_usage("'{}' cannot be read to its end: {}", path, std::strerror(errno));
    buffer.resize(kept + count);
    more = count == kPieceBytes;
    const std::size_t size = more ? last_cut(buffer) : buffer.size();
    if (size == 0) continue;
    visit(std::string_view(buffer).substr(0, size), offset);
    offset += size;
    buffer.erase(0, size);
  }
  return offset;
}

}  // namespace tessera::data
