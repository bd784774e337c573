// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/user_block.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <unistd.h>
#include <utility>
#include <vector>
#include <xxhash.h>

#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "support/first_block.hpp"

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

/// A file of a block, metadata, two tensors with a gap between, and metadata behind.
struct BlockFile {
  static constexpr std::size_t kSize = 2000;
  std::string path = fs::temp_directory_path() / ("tessera-user-block-" + std::to_string(getpid()));
  std::vector<char> bytes;

  BlockFile() {
    std::string content(kSize, '\0');
    for (std::size_t i = 512; i < kSize; ++i) content[i] = static_cast<char>(i * 31 % 251);
    base::replace_file(path, content);
    write_user_block(path, 8, 512, {{1500, 100}, {600, 400}, {1000, 50}});  // the last two touch
    bytes.resize(kSize);
    base::PosixFile::open_read(path).read_at(0, bytes.data(), kSize);
  }
  ~BlockFile() { fs::remove(path); }

  /// Message of the refusal, with "damaged: " before it if it is a DamagedError; "" if the file is sound.
  std::string refusal(std::size_t size = kSize) const {
    const ByteSource source{size, [&](std::uint64_t offset, void* data, std::size_t count) {
                              BOOST_REQUIRE(offset + count <= size);
                              std::memcpy(data, bytes.data() + offset, count);
                            }};
    try {
      check_user_block(source, path);
    } catch (const DamagedError& error) {
      return std::string("damaged: ") + error.what();
    } catch (const base::UsageError& error) {
      return error.what();
    }
    return "";
  }
};

BOOST_FIXTURE_TEST_CASE(a_sound_file_tells_where_its_tensors_are, BlockFile) {
  const UserBlock block = read_user_block(path);
  BOOST_TEST(block.step == 8u);
  BOOST_TEST(block.file_bytes == kSize);
  BOOST_TEST((block.tensors == std::vector<Extent>{{600, 450}, {1500, 100}}));
}

BOOST_FIXTURE_TEST_CASE(every_flipped_bit_outside_of_tensors_is_damage, BlockFile) {
  for (std::size_t at = 0; at < kSize; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      const bool in_tensor = (at >= 600 && at < 1050) || (at >= 1500 && at < 1600);
      BOOST_TEST_REQUIRE(refusal().starts_with("damaged: ") == !in_tensor, "byte " << at << ", bit " << bit);
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    }
}

BOOST_FIXTURE_TEST_CASE(every_shorter_file_is_damage, BlockFile) {
  for (std::size_t size = 0; size < kSize; ++size) {
    const std::string expected = size < 8 ? "is not a checkpoint" : "cut short";
    BOOST_TEST_REQUIRE(refusal(size).find(expected) != std::string::npos, size << " bytes: " << refusal(size));
  }
}

BOOST_FIXTURE_TEST_CASE(other_formats_are_refused_each_with_its_remedy, BlockFile) {
  const auto word = [](std::vector<char>& of, std::size_t number, std::uint64_t value) {
    std::memcpy(of.data() + 8 * number, &value, sizeof value);
  };
  BlockFile old, future;
  word(old.bytes, 1, 2);
  word(old.bytes, 4, XXH3_64bits(old.bytes.data(), 32));
  const std::string future_bytes = testing::with_format({future.bytes.begin(), future.bytes.end()}, format_version + 1);
  future.bytes.assign(future_bytes.begin(), future_bytes.end());
  const std::string older = old.refusal(), newer = future.refusal();
  BOOST_TEST(older.find("before its first release") != std::string::npos, older);
  BOOST_TEST(older.find("train again, or use that version") != std::string::npos, older);
  BOOST_TEST(newer.find("use a newer tessera") != std::string::npos, newer);
  BOOST_TEST(newer.find("damaged") == std::string::npos, newer);
}

/// So that a run goes on from the file before.
BOOST_FIXTURE_TEST_CASE(a_format_that_no_checksum_bears_out_is_damage, BlockFile) {
  for (const std::size_t other : {16, 33, 40, 60, 70, 511})
    for (int bit = 0; bit < 64; ++bit) {
      BlockFile file;
      for (const auto& [at, mask] : {std::pair{std::size_t{8} + bit / 8, 1 << bit % 8}, std::pair{other, 4}})
        file.bytes[at] = static_cast<char>(file.bytes[at] ^ mask);
      BOOST_TEST_REQUIRE(file.refusal().starts_with("damaged: "), "version bit " << bit << ", byte " << other);
    }
}

BOOST_AUTO_TEST_CASE(the_block_has_room_for_every_tensor) {
  BOOST_TEST(user_block_bytes(0) == 512u);
  BOOST_TEST(user_block_bytes(28) == 512u);
  BOOST_TEST(user_block_bytes(29) == 1024u);
}

}  // namespace
}  // namespace tessera::checkpoint
