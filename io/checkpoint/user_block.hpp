// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::checkpoint {

/// The first bytes of a checkpoint, in front of the HDF5 signature: they tell a foreign, newer or cut-short file before
/// HDF5 parses anything. Little-endian: magic "TESSERA\n" (8 bytes), format version (u64), size of the whole file
/// (u64), step (u64), XXH3-64 of the 32 bytes before (u64).
inline constexpr std::uint64_t user_block_bytes = 512;

struct UserBlock {
  std::uint64_t version = 0, file_bytes = 0, step = 0;
};

/// Writes the block into an existing file.
void write_user_block(const std::string& path, const UserBlock& block);
/// Reads and checks it. Throws with a message of its own for each: DamagedError for foreign, cut short, damaged,
/// another step than that of the file's name; base::UsageError for absent, and for an older or newer format.
UserBlock read_user_block(const std::string& path);

}  // namespace tessera::checkpoint
