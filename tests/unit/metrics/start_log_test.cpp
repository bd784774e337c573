// SPDX-License-Identifier: Apache-2.0
#include "metrics/start_log.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>

#include "metrics/lines.hpp"
#include "support/folder.hpp"

namespace tessera::metrics {
namespace {

StartBegin sample_begin() {
  StartBegin begin;
  begin.time_seconds = 1000.5;
  begin.host = "node1";
  begin.pid = 42;
  begin.ranks = 8;
  begin.nodes = 2;
  begin.job = "17";
  begin.array_job = "16";
  begin.array_task = "3";
  begin.restart = 1;
  begin.max_restarts = 5;
  begin.lead_seconds = 180;
  begin.steps = 600;
  begin.layout = "data 8";
  begin.version = "tessera 1";
  begin.gflop_per_token = 0.25;
  return begin;
}

BOOST_AUTO_TEST_SUITE(start_log)

BOOST_AUTO_TEST_CASE(starts_come_back_as_they_were_written) {
  const testing::Folder folder;
  const std::string run = folder / "run";
  BOOST_TEST(read_starts(run).empty());
  const StartLog log(run);
  std::int64_t number = 0;
  BOOST_TEST(log.begin(sample_begin(), number) == "");
  BOOST_TEST(number == 1);
  BOOST_TEST(log.trains(number, 100, 512.0) == "");
  BOOST_TEST(log.end(number, {2000, 85, 150, ""}) == "");
  BOOST_TEST(log.begin({}, number) == "");
  BOOST_TEST(number == 2);
  BOOST_TEST(log.end(number, {3000, 1, 160, "disk \"full\"\n"}) == "");

  const std::vector<Start> starts = read_starts(run);
  BOOST_REQUIRE(starts.size() == 2U);
  const StartBegin& begin = starts[0].begin;
  BOOST_TEST(begin.time_seconds == 1000.5);
  BOOST_TEST(begin.host == "node1");
  BOOST_TEST(begin.pid == 42);
  BOOST_TEST(begin.ranks == 8);
  BOOST_TEST(begin.nodes == 2);
  BOOST_TEST((begin.job == "17" && begin.array_job == "16" && begin.array_task == "3"));
  BOOST_TEST(begin.job_id() == "16_3");
  BOOST_TEST((begin.restart == 1 && begin.max_restarts == 5 && begin.lead_seconds == 180));
  BOOST_TEST(begin.steps == 600);
  BOOST_TEST((begin.layout == "data 8" && begin.version == "tessera 1"));
  BOOST_TEST(begin.gflop_per_token == 0.25);
  BOOST_TEST(starts[0].from_step.value() == 100);
  BOOST_TEST(starts[0].matrix_gflops.value() == 512.0);
  BOOST_TEST((starts[0].end->exit_code == 85 && starts[0].end->step == 150 && starts[0].end->time_seconds == 2000));
  BOOST_TEST((!starts[1].begin.restart && !starts[1].from_step && !starts[1].matrix_gflops));
  BOOST_TEST(starts[1].end->error == "disk \"full\"\n");
}

BOOST_AUTO_TEST_CASE(a_line_that_was_cut_costs_itself_only) {
  const testing::Folder folder;
  const std::string run = folder / "run";
  const StartLog log(run);
  std::int64_t number = 0;
  log.begin(sample_begin(), number);
  const std::string path = run + "/log/starts.jsonl", whole = testing::read_bytes(path);
  folder.write("run/log/starts.jsonl", whole + "{\"start\":2,\"event\":\"be");
  log.trains(1, 7, {});
  const std::vector<Start> starts = read_starts(run);
  BOOST_REQUIRE(starts.size() == 1U);
  BOOST_TEST(starts[0].from_step.value() == 7);
  folder.write("run/log/starts.jsonl", "nonsense\n[1]\n{\"start\":\"x\"}\n{\"start\":9,\"event\":\"end\"}\n" + whole);
  BOOST_TEST(read_starts(run).size() == 1U);
}

/// A rank 0 that stood still for so long that another start took its folder over ends after that began.
BOOST_AUTO_TEST_CASE(an_end_belongs_to_its_own_start) {
  const testing::Folder folder;
  const StartLog log(folder / "run");
  std::int64_t first = 0, second = 0;
  log.begin({}, first);
  log.begin({}, second);
  log.end(first, {1, 1, 5, "taken over"});
  const std::vector<Start> starts = read_starts(folder / "run");
  BOOST_TEST(starts[0].end.has_value());
  BOOST_TEST(!starts[1].end.has_value());
}

BOOST_AUTO_TEST_CASE(last_words_of_ranks_name_rank_and_start) {
  const testing::Folder folder;
  const StartLog log(folder / "run");
  std::int64_t number = 0;
  log.begin({}, number);
  BOOST_TEST(log.rank_error({number, 12, 3, "node2", 77, 1, 40, "no memory"}) == "");
  const std::vector<RankError> errors = read_rank_errors(folder / "run");
  BOOST_REQUIRE(errors.size() == 1U);
  BOOST_TEST((errors[0].start == 1 && errors[0].rank == 3 && errors[0].host == "node2" && errors[0].pid == 77));
  BOOST_TEST((errors[0].step == 40 && errors[0].exit_code == 1 && errors[0].error == "no memory"));
}

/// Lines that hosts add to one file over NFS in the same second overwrite each other.
BOOST_AUTO_TEST_CASE(each_rank_has_a_file_of_its_own_for_its_last_words) {
  const testing::Folder folder;
  const StartLog log(folder / "run");
  std::int64_t number = 0;
  log.begin({}, number);
  for (const int rank : {0, 1, 12}) BOOST_TEST(log.rank_error({number, 1, rank, "n", 1, 1, 1, "x"}) == "");
  folder.write("run/log/errors-2.jsonl.old", testing::read_bytes(folder / "run/log/errors-1.jsonl"));
  for (const char* file : {"errors-0.jsonl", "errors-1.jsonl", "errors-12.jsonl"}) {
    const std::string text = testing::read_bytes(folder / "run/log/" + file);
    BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 1, file);
  }
  BOOST_TEST(read_rank_errors(folder / "run").size() == 3U);
}

BOOST_AUTO_TEST_CASE(last_words_come_in_the_order_in_which_the_file_system_got_them) {
  using std::filesystem::last_write_time;
  const testing::Folder folder;
  const StartLog log(folder / "run");
  std::int64_t start = 0;
  log.begin({}, start);
  log.rank_error({start, 10, 0, "n0", 1, 1, 1, "an earlier start"});
  log.rank_error({start, 11, 1, "n1", 1, 1, 1, "an earlier start"});
  log.begin({}, start);
  log.rank_error({start, 100, 0, "n0", 1, 1, 5, "waited"});  // its clock is an hour behind
  log.rank_error({start, 3700, 2, "n2", 1, 1, 5, "bad disk"});
  const auto now = last_write_time(folder / "run/log/errors-0.jsonl");
  last_write_time(folder / "run/log/errors-0.jsonl", now + std::chrono::seconds(1));
  last_write_time(folder / "run/log/errors-1.jsonl", now + std::chrono::seconds(9));
  last_write_time(folder / "run/log/errors-2.jsonl", now);
  std::vector<RankError> errors = read_rank_errors(folder / "run");
  BOOST_REQUIRE(errors.size() == 4U);
  BOOST_TEST((errors[0].start == 1 && errors[1].start == 1));
  BOOST_TEST((errors[2].rank == 2 && errors[2].error == "bad disk" && errors[3].rank == 0));
  // Within one tick of the file system the clocks decide.
  last_write_time(folder / "run/log/errors-0.jsonl", now);
  errors = read_rank_errors(folder / "run");
  BOOST_TEST((errors[2].rank == 0 && errors[3].rank == 2));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_told_not_thrown) {
  const testing::Folder folder;
  folder.write("run/log", "a file where the folder should be");
  std::int64_t number = 0;
  const StartLog log(folder / "run");
  BOOST_TEST(log.begin({}, number).find("cannot create folder") != std::string::npos);
  BOOST_TEST(number == 1);
  BOOST_TEST(log.end(number, {}).find("cannot write to") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(last_lines_are_whole_ones) {
  const testing::Folder folder;
  const std::string path = folder.write("lines", "first\nsecond\nthird\nfour");
  BOOST_TEST(last_lines(path, 1000) == (std::vector<std::string>{"first", "second", "third"}),
             boost::test_tools::per_element());
  BOOST_TEST(last_lines(path, 12) == (std::vector<std::string>{"third"}), boost::test_tools::per_element());
  BOOST_TEST(last_lines(path, 4).empty());
  BOOST_TEST(last_lines(folder / "none", 10).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::metrics
