// SPDX-License-Identifier: Apache-2.0
#include "data/windows.hpp"

#include <algorithm>

namespace tessera::data {

std::int64_t num_windows(std::int64_t num_tokens, std::int64_t context) {
  return num_tokens < 2 ? 0 : (num_tokens - 1 + context - 1) / context;
}

void fill_window(const TokenFile& file, std::int64_t first, std::int64_t last, std::int64_t context,
                 std::int64_t window, std::int32_t* tokens, std::int32_t* targets) {
  const std::int64_t start = first + window * context;
  const std::int64_t count = std::min(context, last - 1 - start);
  file.read(start, count, tokens);
  file.read(start + 1, count, targets);
  std::fill(tokens + count, tokens + context, 0);
  std::fill(targets + count, targets + context, -1);
}

}  // namespace tessera::data
