// SPDX-License-Identifier: Apache-2.0
#include "data/text_pieces.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/error.hpp"
#include "text/cuts.hpp"

namespace tessera::data {
namespace {

/// Two characters are at most this long: what may complete a cut when more of the text is read.
constexpr std::size_t kMostCutBytes = 8;

}  // namespace

std::uint64_t for_each_piece(const std::string& path, const std::function<void(std::string_view, std::uint64_t)>& visit,
                             std::size_t piece_bytes) {
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
    buffer.resize(kept + piece_bytes);
    stream->read(buffer.data() + kept, static_cast<std::streamsize>(piece_bytes));
    const auto count = static_cast<std::size_t>(stream->gcount());
    if (stream->bad()) base::fail_usage("'{}' cannot be read to its end: {}", path, std::strerror(errno));
    buffer.resize(kept + count);
    more = count == piece_bytes;
    // What was kept has no cut in it: only where new bytes follow it may be one.
    const std::size_t first = kept - std::min(kept, kMostCutBytes);
    const std::size_t size = more ? text::last_cut(buffer, first) : buffer.size();
    if (size == 0) continue;
    visit(std::string_view(buffer).substr(0, size), offset);
    offset += size;
    buffer.erase(0, size);
  }
  return offset;
}

}  // namespace tessera::data
