// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace tessera::text {

/// Bytes of the piece of GPT-2's pattern that begins at `at` (< text.size()), where ASCII alone decides it: each byte
/// of the piece and the one behind it. Else 0: only the pattern itself knows. `text` must begin a piece at `at`.
std::size_t ascii_piece(std::string_view text, std::size_t at);

}  // namespace tessera::text
