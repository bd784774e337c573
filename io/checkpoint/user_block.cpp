// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/user_block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <memory>
#include <xxhash.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"

namespace tessera::checkpoint {
namespace {

constexpr char kMagic[] = {'T', 'E', 'S', 'S', 'E', 'R', 'A', '\n'};
enum Word : std::size_t {
  kMagicWord,
  kVersion,
  kFileBytes,
  kStep,
  kBlockBytes,
  kMetadata,
  kNumExtents,
  kHash,
  kExtents
};
// Formats 1 and 2, of development versions: XXH3-64 of the first four words in the fifth.
constexpr std::size_t kOldHashedBytes = 32, kOldHash = 4;
constexpr std::uint64_t kLeastBlock = 512, kMostBlock = std::uint64_t{64} << 20;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

using Words = std::vector<std::uint64_t>;

std::uint64_t hash_of_block(Words words) {
  words[kHash] = 0;
  return XXH3_64bits(words.data(), words.size() * sizeof words[0]);
}

/// XXH3-64 of what lies behind the block and between the tensors.
std::uint64_t hash_of_metadata(const ByteSource& bytes, std::uint64_t block_bytes, const std::vector<Extent>& tensors) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), XXH3_freeState);
  if (!state || XXH3_64bits_reset(state.get()) != XXH_OK) base::fail("no memory for a checksum");
  std::vector<char> piece(static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, bytes.size)));
  const auto add = [&](std::uint64_t from, std::uint64_t to) {
    while (from < to) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(to - from, piece.size()));
      bytes.read(from, piece.data(), size);
      XXH3_64bits_update(state.get(), piece.data(), size);
      from += size;
    }
  };
  std::uint64_t next = block_bytes;
  for (const Extent& extent : tensors) {
    add(next, extent.offset);
    next = extent.end();
  }
  add(next, bytes.size);
  return XXH3_64bits_digest(state.get());
}

/// Ascending, those that touch joined.
std::vector<Extent> merge(std::vector<Extent> extents) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) { return a.offset < b.offset; });
  std::vector<Extent> merged;
  for (const Extent& extent : extents) {
    if (extent.size == 0) continue;
    if (!merged.empty() && merged.back().end() == extent.offset)
      merged.back().size += extent.size;
    else
      merged.push_back(extent);
  }
  return merged;
}

[[noreturn]] void fail_version(const std::string& path, std::uint64_t version) {
  if (version > static_cast<std::uint64_t>(format_version))
    base::fail_usage("checkpoint '{}' has format {}, this tessera reads up to {}: use a newer tessera", path, version,
                     format_version);
  base::fail_usage(
      "checkpoint '{}' has format {}, written by a development version of tessera before its first release; this one "
      "reads format {}: train again, or use that version",
      path, version, format_version);
}

/// The words of the block, whose checksum is right.
Words read_words(const ByteSource& bytes, const std::string& path) {
  Words words(kExtents);
  const std::size_t head_bytes = words.size() * sizeof words[0];
  bytes.read(0, words.data(), std::min<std::uint64_t>(head_bytes, bytes.size));
  if (std::memcmp(words.data(), kMagic, sizeof kMagic) != 0) fail_damaged("'{}' is not a checkpoint of Tessera", path);
  const auto fail_cut_short = [&] {
    fail_damaged("checkpoint '{}' is cut short: it ends within its first block; use an older one", path);
  };
  if (bytes.size < head_bytes) fail_cut_short();
  const std::uint64_t block_bytes = words[kBlockBytes], version = words[kVersion];
  const bool is_block =
      block_bytes >= kLeastBlock && block_bytes <= std::min(kMostBlock, bytes.size) && std::has_single_bit(block_bytes);
  const auto current = static_cast<std::uint64_t>(format_version);
  if (is_block) {
    words.resize(block_bytes / sizeof words[0]);
    bytes.read(head_bytes, words.data() + kExtents, block_bytes - head_bytes);
    if (hash_of_block(words) == words[kHash]) {
      if (version == current) return words;
      fail_version(path, version);  // words 0 to 7 mean the same in every format from 3 on
    }
  }
  // A number without a checksum that bears it out is damage: a run goes on from the file before.
  if (version < current && XXH3_64bits(words.data(), kOldHashedBytes) == words[kOldHash]) fail_version(path, version);
  if (version == current && words[kFileBytes] > bytes.size && !is_block) fail_cut_short();
  fail_damaged("checkpoint '{}' is damaged: its first block has a wrong checksum; use an older one", path);
}

}  // namespace

std::uint64_t user_block_bytes(std::size_t num_tensors) {
  return std::bit_ceil(std::max(kLeastBlock, (kExtents + 2 * num_tensors) * sizeof(std::uint64_t)));
}

void write_user_block(const std::string& path, std::uint64_t step, std::uint64_t block_bytes,
                      std::vector<Extent> tensors) {
  tensors = merge(std::move(tensors));
  const base::PosixFile read = base::PosixFile::open_read(path);
  const ByteSource bytes{read.size_bytes(),
                         [&](std::uint64_t offset, void* data, std::size_t size) { read.read_at(offset, data, size); }};
  Words words(block_bytes / sizeof(std::uint64_t));
  std::memcpy(words.data(), kMagic, sizeof kMagic);
  words[kVersion] = static_cast<std::uint64_t>(format_version);
  words[kFileBytes] = bytes.size;
  words[kStep] = step;
  words[kBlockBytes] = block_bytes;
  words[kMetadata] = hash_of_metadata(bytes, block_bytes, tensors);
  words[kNumExtents] = tensors.size();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    words[kExtents + 2 * i] = tensors[i].offset;
    words[kExtents + 2 * i + 1] = tensors[i].size;
  }
  words[kHash] = hash_of_block(words);
  base::PosixFile::open_write(path).write_at(0, words.data(), block_bytes);
}

UserBlock check_user_block(const ByteSource& bytes, const std::string& path) {
  const Words words = read_words(bytes, path);
  UserBlock block{words[kFileBytes], words[kStep], words[kBlockBytes], {}};
  if (block.file_bytes != bytes.size)
    fail_damaged("checkpoint '{}' is {}: it holds {} bytes, its header promises {}; use an older one", path,
                 bytes.size < block.file_bytes ? "cut short" : "too long", bytes.size, block.file_bytes);
  const auto named = step_of(std::filesystem::path(path).filename().string());
  if (named && static_cast<std::uint64_t>(*named) != block.step)
    fail_damaged("checkpoint '{}' is of step {}, not of the step in its name; use another one", path, block.step);
  if (words[kNumExtents] > (words.size() - kExtents) / 2)
    fail_damaged("checkpoint '{}' is damaged: its first block lists more tensors than it has room for", path);
  std::uint64_t end = block.block_bytes;
  for (std::size_t i = 0; i < words[kNumExtents]; ++i) {
    const Extent extent{words[kExtents + 2 * i], words[kExtents + 2 * i + 1]};
    if (extent.offset < end || extent.offset > bytes.size || extent.size > bytes.size - extent.offset)
      fail_damaged("checkpoint '{}' is damaged: its first block lists tensors outside the file", path);
    end = extent.end();
    block.tensors.push_back(extent);
  }
  if (hash_of_metadata(bytes, block.block_bytes, block.tensors) != words[kMetadata])
    fail_damaged(
        "checkpoint '{}' is damaged: its metadata (names, shapes, checksums, texts of /run: all but the tensors) has a "
        "wrong checksum; use an older one",
        path);
  return block;
}

UserBlock read_user_block(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::file_status status = fs::status(path);  // of what a link leads to
  if (!fs::exists(status))
    base::fail_usage("checkpoint '{}' does not exist{}", path,
                     fs::is_symlink(path) ? ": it is a link that leads nowhere. Is its file system mounted?" : "");
  if (!fs::is_regular_file(status)) fail_damaged("'{}' is not a checkpoint of Tessera, but no file at all", path);
  const base::PosixFile file = base::PosixFile::open_read(path);
  return check_user_block({file.size_bytes(), [&](std::uint64_t offset, void* data,
                                                  std::size_t size) { file.read_at(offset, data, size); }},
                          path);
}

}  // namespace tessera::checkpoint
