// SPDX-License-Identifier: Apache-2.0
#include "comm/heartbeat.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;
using comm::Communicator;
using comm::Heartbeat;
using comm::Observation;
using comm::SignOfLife;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Rank `rank` as all saw it `age` seconds ago.
Observation seen(int rank, SignOfLife::State state, const std::string& operation, bool silent, double age) {
  const std::string number = std::to_string(rank);
  return {SignOfLife{rank, "node" + number, 100 + rank, 12, state, operation, "pipeline axis", 7, 3, 1e9}, silent, age};
}

constexpr auto kComputing = SignOfLife::State::computing, kWaiting = SignOfLife::State::waiting;

BOOST_AUTO_TEST_CASE(a_sign_of_life_is_read_back_and_half_of_one_is_not) {
  const SignOfLife sign{3, "node \"7\"", 4711, -1, kWaiting, "gradient sum", "data axis", 12, 5, 1234.5};
  const std::string line = comm::to_line(sign);
  const auto back = comm::from_line(line + "of a longer line before\n");
  BOOST_REQUIRE(back.has_value());
  BOOST_TEST(comm::to_line(*back) == line);
  for (std::size_t size = 0; size < line.size(); ++size) BOOST_TEST(!comm::from_line(line.substr(0, size)).has_value());
}

BOOST_AUTO_TEST_CASE(a_silent_rank_is_named_with_what_it_did_last) {
  std::vector<Observation> ranks = {seen(0, kWaiting, "pipeline message", false, 0.2),
                                    seen(1, kWaiting, "gradient sum", false, 0.7),
                                    seen(2, kComputing, "gradient sum", true, 31)};
  BOOST_TEST(
      comm::describe_silence(ranks, 0, 30.1, 30) ==
      "step 12: rank 2 on node2 (pid 102) has not answered for 30 s: its last sign of life was 31 s ago, computing "
      "after 'gradient sum' (pipeline axis); rank 0 on node0 waited 30 s for 'pipeline message' (pipeline axis). "
      "parallel.timeout = 30");
  ranks[2].sign->step = 11;
  ranks[2].sign->state = kWaiting;
  const std::string stopped = comm::describe_silence(ranks, 1, 30.1, 30);
  BOOST_TEST(contains(stopped, "31 s ago, step 11, waiting for 'gradient sum'"), stopped);
  BOOST_TEST(contains(stopped, "stands still; rank 1 on node1 waited"), stopped);
}

BOOST_AUTO_TEST_CASE(of_silent_ranks_those_at_work_are_not_named) {
  std::vector<Observation> ranks = {seen(0, kWaiting, "a", false, 0),
                                    seen(1, kComputing, "b", true, 8),
                                    seen(2, kComputing, "c", true, 600),
                                    seen(3, kComputing, "d", true, 590),
                                    {}};
  ranks[4].silent = true;
  const std::string message = comm::describe_silence(ranks, 0, 600, 600);
  BOOST_TEST(!contains(message, "rank 1"), message);
  for (const char* named : {"rank 2 on node2", "rank 3 on node3", "rank 4 has left no sign of life"})
    BOOST_TEST(contains(message, named), message);
}

BOOST_AUTO_TEST_CASE(ranks_in_different_operations_are_all_named) {
  const std::string message = comm::describe_silence(
      {seen(0, kWaiting, "a", false, 0), seen(1, kWaiting, "b", false, 1), seen(2, kWaiting, "b", false, 1)}, 0, 9, 9);
  BOOST_TEST(contains(message, "no rank has stopped"), message);
  BOOST_TEST(contains(message, "rank 0: step 12, waiting for 'a'"), message);
  BOOST_TEST(contains(message, "2 ranks, the first is 1: step 12, waiting for 'b'"), message);
}

/// A folder that all ranks know.
struct HeartbeatFixture {
  std::string folder = world().broadcast_text(
      (fs::temp_directory_path() / ("tessera-heartbeat-" + std::to_string(::getpid()))).string(), 0, "folder");
  ~HeartbeatFixture() {
    std::error_code ignored;
    if (world().rank() == 0) fs::remove_all(folder, ignored);
  }
  SignOfLife read(int rank) const {
    std::ifstream file(folder + "/rank-" + std::to_string(rank) + ".json");
    return comm::from_line({std::istreambuf_iterator<char>(file), {}}).value_or(SignOfLife{});
  }
};

BOOST_FIXTURE_TEST_CASE(a_rank_that_waits_beats_and_one_that_goes_on_says_so, HeartbeatFixture) {
  const Communicator ranks = world().split(0);
  if (ranks.rank() == 0) {
    fs::create_directories(folder);
    std::ofstream(folder + "/rank-77.json") << "left by a killed run";
  }
  {
    Heartbeat heartbeat(ranks, folder);
    BOOST_TEST(!fs::exists(folder + "/rank-77.json"));
    heartbeat.set_step(5);
    const Communicator group = ranks.split(0);
    if (ranks.size() > 1) {
      if (ranks.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2600));
      if (ranks.rank() == 0) BOOST_TEST((read(1).state == kWaiting));
      if (ranks.rank() == 0) BOOST_TEST(read(1).beats >= 2u);
      if (ranks.rank() == 0) BOOST_TEST(read(1).operation == "late rank 0");
      group.barrier("late rank 0");
      const SignOfLife mine = read(ranks.rank());
      BOOST_TEST((mine.state == kComputing));
      BOOST_TEST(mine.pid == ::getpid());
      if (ranks.rank() != 0) BOOST_TEST(mine.step == 5);  // rank 0 may have had nothing to wait for
    }
    group.barrier("all have read");
  }
  ranks.barrier("all have ended");  // without a heartbeat
  BOOST_TEST(!fs::exists(folder));
}

/// What rank `waiting` throws after `seconds`; buffers outlive the receive, whose request is lost with the error.
std::string error_of_letter(const Communicator& ranks, int from) {
  static std::vector<int> buffer(1);
  try {
    comm::Request request = ranks.ireceive<int>(buffer, from, 99);
    ranks.wait(request, "a letter");
  } catch (const base::Error& error) {
    return error.what();
  }
  return "";
}

void send_letter(const Communicator& ranks, int to) {
  const int value = 0;
  comm::Request late = ranks.isend<int>({&value, 1}, to, 99);
  ranks.wait(late, "late letter");
}

BOOST_FIXTURE_TEST_CASE(ranks_that_wait_name_the_one_that_does_not_answer, HeartbeatFixture) {
  Communicator ranks = world().split(0);
  if (ranks.size() == 1) return;
  const int last = ranks.size() - 1;
  Heartbeat heartbeat(ranks, folder);
  heartbeat.set_step(3);
  ranks.set_timeout(1.5);
  if (ranks.rank() != last) {
    const std::string message = error_of_letter(ranks, last);
    BOOST_TEST(contains(message, "rank " + std::to_string(last) + " on " + ranks.host() + " (pid "), message);
    BOOST_TEST(contains(message, "has not answered for 2 s"), message);
    BOOST_TEST(contains(message, "'a letter' (part of all ranks)"), message);
    BOOST_TEST(contains(message, "parallel.timeout = 1.5"), message);
    for (int other = 0; other < last; ++other)
      BOOST_TEST(!contains(message, "rank " + std::to_string(other) + " on " + ranks.host() + " (pid "), message);
  } else {
    std::this_thread::sleep_for(std::chrono::seconds(4));
    for (int to = 0; to < last; ++to) send_letter(ranks, to);
  }
  world().barrier("after the time-out");
}

BOOST_FIXTURE_TEST_CASE(ranks_out_of_order_are_told_from_stopped_ones, HeartbeatFixture) {
  Communicator ranks = world().split(0);
  if (ranks.size() == 1) return;
  Heartbeat heartbeat(ranks, folder);
  if (ranks.rank() == 0) {
    ranks.set_timeout(1.5);
    const std::string message = error_of_letter(ranks, 1);
    BOOST_TEST(contains(message, "no rank has stopped"), message);
    BOOST_TEST(contains(message, "waiting for 'meeting' (part of all ranks)"), message);
    BOOST_TEST(contains(message, "before the first step: "), message);
  }
  ranks.barrier("meeting");
  if (ranks.rank() == 1) send_letter(ranks, 0);
  world().barrier("after the time-out");
}

}  // namespace
}  // namespace tessera::testing
