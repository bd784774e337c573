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
/// them about `piece_bytes` long, cut where text::last_cut() allows it. A text is kept in memory for as long as no such
/// place comes. Returns the number of bytes. Throws base::UsageError naming the path if it cannot be read.
std::uint64_t for_each_piece(const std::string& path,
                             const std::function<void(std::string_view piece, std::uint64_t offset)>& visit,
                             std::size_t piece_bytes = std::size_t{16} << 20);

}  // namespace tessera::data
