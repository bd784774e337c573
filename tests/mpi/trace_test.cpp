// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "comm/trace_gather.hpp"
#include "json/json.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

using base::Clock;
using comm::Communicator;

/// Clocks of one host agree, so each rank but 0 gets one that is 1000 s ahead of that of the rank before.
Clock::time_point skewed_now() {
  return Clock::now() + std::chrono::seconds(1000 * world().rank());
}

constexpr double kRoundTripSeconds = 0.02;  // an empty message on a busy machine

BOOST_AUTO_TEST_CASE(clocks_are_compared_with_that_of_rank_0) {
  const std::vector<double> offsets = comm::clock_offsets(world(), skewed_now);
  BOOST_REQUIRE(offsets.size() == static_cast<std::size_t>(world().size()));
  for (std::size_t rank = 0; rank < offsets.size(); ++rank)
    BOOST_TEST(std::abs(offsets[rank] - 1000.0 * static_cast<double>(rank)) < kRoundTripSeconds, offsets[rank]);
}

BOOST_AUTO_TEST_CASE(waits_are_recorded_with_their_group) {
  Communicator ranks = world().split(0);
  ranks.set_name("data axis");
  base::Trace trace;
  ranks.set_trace(&trace);
  const Communicator group = ranks.split(0);
  if (ranks.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  group.barrier("late rank 0");
  ranks.set_trace(nullptr);
  group.barrier("not recorded");
  double longest = 0;
  for (const base::Trace::Event& event : trace.events()) {
    BOOST_TEST(event.name == "late rank 0");
    BOOST_TEST(std::string(event.category) == "communication");
    BOOST_TEST(event.detail == "part of data axis");
    longest = std::max(longest, std::chrono::duration<double>(event.end - event.begin).count());
  }
  BOOST_TEST(trace.events().empty() == (ranks.size() == 1));
  if (ranks.size() > 1 && ranks.rank() != 0) BOOST_TEST(longest > 0.02);
}

BOOST_AUTO_TEST_CASE(the_events_of_all_ranks_come_on_one_time_line) {
  const Communicator& ranks = world();
  const std::string path = ranks.broadcast_text(
      (std::filesystem::temp_directory_path() / ("tessera-trace-" + std::to_string(::getpid()) + ".json")).string(), 0,
      "path");
  base::Trace trace(3);
  ranks.barrier("meeting");
  const Clock::time_point met = skewed_now();  // at about the same time on all ranks
  trace.add("meeting \"1\"", "bubble", met, met + std::chrono::microseconds(1500));
  trace.add("product", "compute", met + std::chrono::seconds(1), met + std::chrono::seconds(3), "micro-batch 7");
  for (int i = 0; i < ranks.rank(); ++i) trace.add("more", "compute", met, met);  // texts of different sizes
  comm::write_trace(ranks, trace, path, skewed_now);
  if (ranks.rank() == 0) {
    std::ifstream file(path);
    const json::Json whole = json::parse(std::string{std::istreambuf_iterator<char>(file), {}}, path);
    std::vector<int> meetings, names;
    double first = 1e300;
    for (const json::Json& event : whole.at("traceEvents").as_array()) {
      const int rank = static_cast<int>(event.at("pid").as_int());
      BOOST_TEST(event.at("tid").as_int() == 0);
      if (event.at("ph").as_string() == "M") {
        names.push_back(rank);
        BOOST_TEST(event.at("args").at("name").as_string() ==
                   "rank " + std::to_string(rank) + " (" + ranks.host() + ")");
        BOOST_TEST((event.at("args").find("events_left_out") != nullptr) == (rank > 1));
        continue;
      }
      BOOST_TEST(event.at("ph").as_string() == "X");
      const double microseconds = event.at("ts").as_double();
      first = std::min(first, microseconds);
      if (event.at("name").as_string() == "meeting \"1\"") {
        meetings.push_back(rank);
        BOOST_TEST(event.at("cat").as_string() == "bubble");
        BOOST_TEST(event.at("dur").as_double() == 1500.0);
        BOOST_TEST(microseconds < 2e6 * kRoundTripSeconds);  // aligned: not a thousand seconds apart
      }
      if (event.at("name").as_string() == "product") {
        BOOST_TEST(event.at("args").at("detail").as_string() == "micro-batch 7");
        BOOST_TEST(std::abs(microseconds - 1e6) < 2e6 * kRoundTripSeconds);
      }
    }
    BOOST_TEST(std::abs(first) < 1.0);  // microseconds
    BOOST_TEST(meetings.size() == static_cast<std::size_t>(ranks.size()));
    BOOST_TEST(names.size() == meetings.size());
    std::filesystem::remove(path);
    BOOST_TEST(!std::filesystem::exists(path + ".tmp"));
  }
  BOOST_CHECK_THROW(comm::write_trace(ranks, trace, "/no/such/folder/trace.json"), base::SharedError);
}

}  // namespace
}  // namespace tessera::testing
