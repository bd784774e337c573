// SPDX-License-Identifier: Apache-2.0
#include "data/document_starts.hpp"

namespace tessera::data {

void document_starts(const std::int32_t* tokens, std::int64_t count, std::int32_t end_token, std::int32_t* starts) {
  std::int32_t start = 0;
  for (std::int64_t t = 0; t < count; ++t) {
    starts[t] = start;
    if (tokens[t] == end_token) start = static_cast<std::int32_t>(t + 1);
  }
}

}  // namespace tessera::data
