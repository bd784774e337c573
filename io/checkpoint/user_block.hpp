// SPDX-License-Identifier: Apache-2.0
// The first bytes of a checkpoint, in front of the HDF5 signature. They tell a foreign, newer, cut-short or damaged
// file before HDF5 parses anything: of damaged metadata it may make anything, or ask for any amount of memory.
//
// Little-endian words of 8 bytes:
//   0  magic "TESSERA\n"          4  size of this block, a power of two >= 512
//   1  format version             5  XXH3-64 of every byte behind this block that is no tensor's, in order
//   2  size of the whole file     6  number of extents
//   3  step                       7  XXH3-64 of this block with 0 in this word
//   8  extents: (offset, size) of the bytes of tensors, ascending and apart; then zeros
// Tensors have checksums of their own (checksum.hpp), so every byte of a file is covered by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera::checkpoint {

/// A stretch of a file.
struct Extent {
  std::uint64_t offset = 0, size = 0;
  std::uint64_t end() const { return offset + size; }
  bool operator==(const Extent&) const = default;
};

struct UserBlock {
  std::uint64_t file_bytes = 0, step = 0, block_bytes = 0;
  std::vector<Extent> tensors;
};

/// Room for the extents of so many tensors, however they lie.
std::uint64_t user_block_bytes(std::size_t num_tensors);

/// Checksums an otherwise complete file of that size of block and writes the block. `tensors`: in any order.
void write_user_block(const std::string& path, std::uint64_t step, std::uint64_t block_bytes,
                      std::vector<Extent> tensors);

/// A file's bytes, wherever they are.
struct ByteSource {
  std::uint64_t size = 0;
  std::function<void(std::uint64_t offset, void* data, std::size_t size_bytes)> read;
};

/// Reads the block and checks all that it says. Throws with a message of its own for each: DamagedError for foreign,
/// cut short, damaged, another step than that of the file's name; base::UsageError for an older or newer format. Memory
/// is bounded, whatever the bytes.
UserBlock check_user_block(const ByteSource& bytes, const std::string& path);
/// The same of a file; base::UsageError if it does not exist.
UserBlock read_user_block(const std::string& path);

}  // namespace tessera::checkpoint
