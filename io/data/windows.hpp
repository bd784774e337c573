// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "data/token_file.hpp"

namespace tessera::data {

/// Consecutive windows of `context` targets that cover `num_tokens` tokens; every token but the first is a target once.
std::int64_t num_windows(std::int64_t num_tokens, std::int64_t context);

/// Window `window` of tokens [first, last) of the file: tokens and targets [context] each. Behind the end tokens are 0
/// and targets -1 (ignored).
void fill_window(const TokenFile& file, std::int64_t first, std::int64_t last, std::int64_t context,
                 std::int64_t window, std::int32_t* tokens, std::int32_t* targets);

}  // namespace tessera::data
