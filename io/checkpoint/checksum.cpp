// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checksum.hpp"

#include <fmt/core.h>
#include <xxhash.h>

namespace tessera::checkpoint {

std::string checksum(const void* data, std::size_t size_bytes) {
  return fmt::format("{:016x}", XXH3_64bits(data, size_bytes));
}

std::string checksum_of_attributes(const RunState& state) {
  const std::string text =
      fmt::format("step {} updates {} skips {} tokens {} tokenizer {} mesh {}", state.step, state.updates, state.skips,
                  state.tokens, state.tokenizer_fingerprint, state.mesh);
  return checksum(text.data(), text.size());
}

}  // namespace tessera::checkpoint
