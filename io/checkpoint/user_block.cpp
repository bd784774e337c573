// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/user_block.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <xxhash.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"

namespace tessera::checkpoint {
namespace {

constexpr char kMagic[] = {'T', 'E', 'S', 'S', 'E', 'R', 'A', '\n'};
constexpr std::size_t kHashedBytes = 32;

using Words = std::array<std::uint64_t, 5>;  // magic, version, file size, step, hash

}  // namespace

void write_user_block(const std::string& path, const UserBlock& block) {
  Words words{0, block.version, block.file_bytes, block.step, 0};
  std::memcpy(words.data(), kMagic, sizeof kMagic);
  words[4] = XXH3_64bits(words.data(), kHashedBytes);
  base::PosixFile::open_write(path).write_at(0, words.data(), sizeof words);
}

UserBlock read_user_block(const std::string& path) {
  if (!std::filesystem::exists(path)) base::fail_usage("checkpoint '{}' does not exist", path);
  const base::PosixFile file = base::PosixFile::open_read(path);
  const std::uint64_t size = file.size_bytes();
  Words words{};
  if (size >= sizeof words) file.read_at(0, words.data(), sizeof words);
  if (std::memcmp(words.data(), kMagic, sizeof kMagic) != 0) fail_damaged("'{}' is not a checkpoint of Tessera", path);
  if (words[4] != XXH3_64bits(words.data(), kHashedBytes))
    fail_damaged("checkpoint '{}' is damaged: its first block has a wrong checksum; use an older one", path);
  if (words[1] > static_cast<std::uint64_t>(format_version))
    base::fail_usage("checkpoint '{}' has format {}, this tessera reads up to {}: use a newer tessera", path, words[1],
                     format_version);
  if (words[1] < static_cast<std::uint64_t>(format_version))
    base::fail_usage(
        "checkpoint '{}' has format {}, written by a development version of tessera before its first release; this "
        "one reads format {}: train again, or use that version",
        path, words[1], format_version);
  if (words[2] != size)
    fail_damaged("checkpoint '{}' is {}: it holds {} bytes, its header promises {}; use an older one", path,
                 size < words[2] ? "cut short" : "too long", size, words[2]);
  const auto named = step_of(std::filesystem::path(path).filename().string());
  if (named && static_cast<std::uint64_t>(*named) != words[3])
    fail_damaged("checkpoint '{}' is of step {}, not of the step in its name; use another one", path, words[3]);
  return {words[1], words[2], words[3]};
}

}  // namespace tessera::checkpoint
