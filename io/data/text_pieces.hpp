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
/// them about `piece_bytes` long. Pieces are cut in front of a character of white space that one of no white space
/// follows: there no token of our tokenizers reaches across, so the tokens do not depend on the cut. A text is kept in
/// memory for as long as no such place comes. Returns the number of bytes. Throws base::UsageError naming the path if
/// it cannot be read.
std::uint64_t for_each_piece(const std::string& path,
                             const std::function<void(std::string_view piece, std::uint64_t offset)>& visit,
                             std::size_t piece_bytes = std::size_t{16} << 20);

/// Where such a cut is possible last in `text`, not before byte `first`: bytes in front of it, 0 if nowhere. Pure.
std::size_t last_cut(std::string_view text, std::size_t first = 0);

}  // namespace tessera::data
