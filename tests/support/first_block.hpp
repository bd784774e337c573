// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <xxhash.h>

namespace tessera::testing {

/// A checkpoint's bytes with another format's number in the first block, and the checksum that bears it out
/// (io/checkpoint/user_block.hpp).
inline std::string with_format(std::string bytes, std::uint64_t version) {
  const auto put = [&](std::size_t word, std::uint64_t value) {
    std::memcpy(bytes.data() + 8 * word, &value, sizeof value);
  };
  std::uint64_t block_bytes = 0;
  std::memcpy(&block_bytes, bytes.data() + 32, sizeof block_bytes);
  put(1, version);
  put(7, 0);
  put(7, XXH3_64bits(bytes.data(), block_bytes));
  return bytes;
}

}  // namespace tessera::testing
