// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::data {

/// First token that is held out when the last `fraction` in [0, 1) of `num_tokens` is: preparing, training and
/// evaluating must cut at the same place. Pure.
inline std::int64_t held_out_start(std::int64_t num_tokens, double fraction) {
  return static_cast<std::int64_t>(static_cast<double>(num_tokens) * (1.0 - fraction));
}

}  // namespace tessera::data
