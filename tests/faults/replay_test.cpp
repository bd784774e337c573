// SPDX-License-Identifier: Apache-2.0
// The model of the disk and of what is published, on logs written by hand.
#include "faults/replay.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <set>

#include "faults/disk_model.hpp"

namespace tessera::faults {
namespace {

using Kind = Operation::Kind;

/// A log in which each operation ends before the next begins.
struct Log {
  std::vector<Operation> operations;

  Operation& add(Kind kind, const std::string& path, int rank = 0) {
    Operation operation;
    operation.kind = kind;
    operation.rank = rank;
    operation.path = path;
    operation.begin = 2 * operations.size() + 1;
    operation.end = operation.begin + 1;
    operations.push_back(operation);
    return operations.back();
  }
  std::uint64_t open(const std::string& path, int flags = O_WRONLY | O_CREAT, int rank = 0) {
    Operation& operation = add(Kind::open, path, rank);
    operation.flags = flags;
    return operation.begin;
  }
  void write(const std::string& path, std::uint64_t handle, std::int64_t offset, const std::string& data,
             int rank = 0) {
    Operation& operation = add(Kind::write, path, rank);
    operation.handle = handle;
    operation.offset = offset;
    operation.data = data;
    operation.result = static_cast<std::int64_t>(data.size());
  }
  void sync(const std::string& path, std::uint64_t handle, int rank = 0) {
    add(Kind::sync, path, rank).handle = handle;
  }
  void sync_folder(const std::string& path) { sync(path, open(path, O_RDONLY)); }
  void rename(const std::string& path, const std::string& target) { add(Kind::rename, path).target = target; }

  /// What is there after all of it.
  std::map<std::string, std::string> left(Survival survival, std::uint64_t seed = 1) const {
    DiskModel disk("/run", operations);
    while (disk.advance()) {
    }
    Random random(seed);
    return disk.files(survival, random);
  }
};

using Files = std::map<std::string, std::string>;

BOOST_AUTO_TEST_CASE(a_name_needs_the_flush_of_its_folder_and_bytes_that_of_their_file) {
  Log log;
  const std::uint64_t file = log.open("/run/a");
  log.write("/run/a", file, 0, "old");
  BOOST_TEST((log.left(Survival::none) == Files{}));
  BOOST_TEST((log.left(Survival::all) == Files{{"a", "old"}}));
  log.sync_folder("/run");
  BOOST_TEST((log.left(Survival::none) == Files{{"a", ""}}));
  log.sync("/run/a", file);
  log.write("/run/a", file, 1, "NEW");
  BOOST_TEST((log.left(Survival::none) == Files{{"a", "old"}}));
  BOOST_TEST((log.left(Survival::all) == Files{{"a", "oNEW"}}));
}

BOOST_AUTO_TEST_CASE(a_flush_saves_what_the_same_rank_wrote_before_it_began) {
  Log log;
  const std::uint64_t mine = log.open("/run/a");
  log.sync_folder("/run");
  const std::uint64_t others = log.open("/run/a", O_WRONLY, 1);
  log.write("/run/a", others, 4, "1111", 1);
  log.write("/run/a", mine, 0, "0000");
  log.sync("/run/a", mine);
  BOOST_TEST((log.left(Survival::none) == Files{{"a", "0000"}}));
  log.sync("/run/a", others, 1);
  BOOST_TEST((log.left(Survival::none) == Files{{"a", "00001111"}}));
  // A write that had not ended when the flush began.
  log.write("/run/a", mine, 0, "2222");
  log.sync("/run/a", mine);
  std::swap(log.operations.back().begin, log.operations[log.operations.size() - 2].end);
  BOOST_TEST((log.left(Survival::none) == Files{{"a", "00001111"}}));
}

BOOST_AUTO_TEST_CASE(a_rename_is_there_whole_or_not_at_all) {
  Log log;
  log.sync("/run/a", log.open("/run/a"));
  log.open("/run/b");
  log.sync_folder("/run");
  log.rename("/run/a", "/run/b");
  BOOST_TEST((log.left(Survival::none) == Files{{"a", ""}, {"b", ""}}));
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Files files = log.left(Survival::half, seed);
    BOOST_TEST((files == Files{{"b", ""}} || files == Files{{"a", ""}, {"b", ""}}));
  }
  log.sync_folder("/run");
  BOOST_TEST((log.left(Survival::none) == Files{{"b", ""}}));
  log.add(Kind::unlink, "/run/b");
  BOOST_TEST((log.left(Survival::none) == Files{{"b", ""}}));
  BOOST_TEST((log.left(Survival::all) == Files{}));
}

BOOST_AUTO_TEST_CASE(half_survives_page_by_page) {
  Log log;
  const std::uint64_t file = log.open("/run/a");
  log.sync_folder("/run");
  log.write("/run/a", file, 0, std::string(3 * 4096, 'x'));
  log.sync("/run/a", file);
  log.write("/run/a", file, 100, std::string(2 * 4096, 'y'));  // 3 pages
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string content = log.left(Survival::half, seed).at("a");
    BOOST_TEST_REQUIRE(content.size() == 3U * 4096);
    seen.insert({content[100], content[4095], content[4096], content[8191], content[8192], content[8291]});
  }
  BOOST_TEST(seen.size() == 8U);  // every choice of pages, and no page in parts
}

BOOST_AUTO_TEST_CASE(sizes_and_folders_survive_like_bytes_and_names) {
  Log log;
  log.add(Kind::make_folder, "/run/d");
  const std::uint64_t file = log.open("/run/d/a");
  log.add(Kind::allocate, "/run/d/a").handle = file;
  log.operations.back().offset = 3;
  log.sync_folder("/run/d");
  BOOST_TEST((log.left(Survival::none) == Files{}));
  log.sync_folder("/run");
  BOOST_TEST((log.left(Survival::none) == Files{{"d/a", ""}}));
  log.sync("/run/d/a", file);
  log.open("/run/d/a", O_WRONLY | O_CREAT | O_TRUNC);
  BOOST_TEST((log.left(Survival::none) == Files{{"d/a", std::string(3, '\0')}}));
  BOOST_TEST((log.left(Survival::all) == Files{{"d/a", ""}}));
}

/// One save as Tessera does it, by two ranks.
void save(Log& log, int step) {
  const std::string path = "/run/step-0000000" + std::to_string(step) + ".h5", temporary = path + ".tmp";
  log.write(temporary, log.open(temporary, O_RDWR | O_CREAT), 600, "layout");
  for (const int rank : {0, 1}) {
    const std::uint64_t tiles = log.open(temporary, O_WRONLY, rank);
    log.write(temporary, tiles, 1000 + rank, "t", rank);
    log.sync(temporary, tiles, rank);
  }
  const std::uint64_t last = log.open(temporary, O_WRONLY);
  log.write(temporary, last, 0, "head");
  log.sync(temporary, last);
  log.rename(temporary, path);
  log.sync_folder("/run");
}

BOOST_AUTO_TEST_CASE(one_flush_of_the_middle_save_is_forgotten) {
  Log log;
  for (const int step : {1, 2, 3}) save(log, step);
  const auto missing = [&](Forgotten what) {
    const std::vector<Operation> rest = forget(log.operations, what);
    BOOST_TEST_REQUIRE(rest.size() + (what == Forgotten::nothing ? 0 : 1) == log.operations.size());
    for (std::size_t i = 0; i < rest.size(); ++i)
      if (rest[i].begin != log.operations[i].begin) return log.operations[i];
    return Operation{};
  };
  BOOST_TEST(missing(Forgotten::nothing).begin == 0U);
  BOOST_TEST(missing(Forgotten::tiles).path == "/run/step-00000002.h5.tmp");
  BOOST_TEST(missing(Forgotten::tiles).rank == 1);
  BOOST_TEST(missing(Forgotten::file).path == "/run/step-00000002.h5.tmp");
  BOOST_TEST(missing(Forgotten::file).rank == 0);
  BOOST_TEST(missing(Forgotten::folder).path == "/run");
  BOOST_TEST(missing(Forgotten::folder).begin > missing(Forgotten::file).begin);
  BOOST_CHECK_THROW(forget({}, Forgotten::tiles), std::runtime_error);
}

/// A program that never flushes the folder goes on nevertheless: then it counts as published.
BOOST_AUTO_TEST_CASE(what_the_program_relies_on_counts_as_published) {
  Log log;
  for (const int step : {1, 2}) save(log, step);
  const auto is_of_folder = [](const Operation& operation) { return operation.path == "/run"; };
  const std::vector<Published> published = publications(log.operations);
  BOOST_TEST_REQUIRE(published.size() == 2U);
  BOOST_TEST(published[0].step == 1);
  BOOST_TEST(published[1].order == log.operations.back().end);
  std::erase_if(log.operations, is_of_folder);
  const std::vector<Published> assumed = publications(log.operations);
  BOOST_TEST_REQUIRE(assumed.size() == 2U);
  const auto next = std::find_if(log.operations.begin(), log.operations.end(), [](const Operation& operation) {
    return operation.path == "/run/step-00000002.h5.tmp";
  });
  BOOST_TEST(assumed[0].order == next->begin);
  BOOST_TEST(assumed[1].order == log.operations.back().begin);
}

}  // namespace
}  // namespace tessera::faults
