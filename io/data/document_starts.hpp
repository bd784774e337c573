// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::data {

/// For each of `count` tokens of a window the position in it where the token's document begins: behind the last
/// `end_token` before it, or at 0. An end token belongs to the document it ends. Never falls.
void document_starts(const std::int32_t* tokens, std::int64_t count, std::int32_t end_token, std::int32_t* starts);

}  // namespace tessera::data
