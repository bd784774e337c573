// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <istream>
#include <string>
#include <string_view>

namespace tessera::data {

/// Calls `visit(piece, offset of its first byte)` for consecutive pieces of a text file ("-": standard input), most of
/// them about 16 MiB long. Pieces are cut behind a line break that stands alone between characters that are no
/// whitespace: there no token of our tokenizers reaches across, so the tokens do not depend on the cut. Returns the
/// number of bytes. Throws base::UsageError naming the path if it cannot be read.
std::uint64_t for_each_piece(const std::string& path,
                             const std::function<void(std::string_view piece, std::uint64_t offset)>& visit);

/// Where such a cut is possible last in `text`: bytes in front of it, 0 if nowhere. Pure.
std::size_t last_cut(std::string_view text);

}  // namespace tessera::data
