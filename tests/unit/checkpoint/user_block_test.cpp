// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/user_block.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <unistd.h>

#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

struct BlockFile {
  std::string path = fs::temp_directory_path() / ("tessera-user-block-" + std::to_string(getpid()));

  BlockFile() { base::replace_file(path, std::string(user_block_bytes, '\0')); }
  ~BlockFile() { fs::remove(path); }

  /// Message of the refusal of a file of another format, which is no damage: nothing sets such a file aside.
  std::string refusal(std::uint64_t version) const {
    write_user_block(path, {version, user_block_bytes, 8});
    try {
      read_user_block(path);
    } catch (const DamagedError&) {
      return "damaged";
    } catch (const base::UsageError& error) {
      return error.what();
    }
    return "";
  }
};

BOOST_FIXTURE_TEST_CASE(other_formats_are_refused_each_with_its_remedy, BlockFile) {
  BOOST_TEST(refusal(format_version) == "");
  const std::string older = refusal(1), newer = refusal(format_version + 1);
  BOOST_TEST(older.find("before its first release") != std::string::npos, older);
  BOOST_TEST(older.find("train again, or use that version") != std::string::npos, older);
  BOOST_TEST(newer.find("use a newer tessera") != std::string::npos, newer);
}

}  // namespace
}  // namespace tessera::checkpoint
