// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <ctime>
#include <numeric>
#include <thread>

#include "base/error.hpp"
#include "comm/by_rank.hpp"
#include "comm/together.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

using comm::Communicator;

BOOST_AUTO_TEST_CASE(messages_go_around_the_ring) {
  const Communicator& ranks = world();
  const int next = (ranks.rank() + 1) % ranks.size(), before = (ranks.rank() + ranks.size() - 1) % ranks.size();
  for (const std::size_t size : {0u, 1u, 7u, 100'003u, 262'144u, 262'145u, 3'000'001u}) {  // from 2^18 on in parts
    if (ranks.size() == 1) return;  // a group of one sends nothing
    const auto content = [&](int rank) {
      std::vector<std::uint8_t> bytes(size);
      for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(i % 251 + static_cast<unsigned>(rank));
      return bytes;
    };
    std::vector<std::uint8_t> sent = content(ranks.rank()), received(size, 0);
    comm::Request in = ranks.ireceive<std::uint8_t>(received, before, 3);
    comm::Request out = ranks.isend<std::uint8_t>(sent, next, 3);
    ranks.wait(in, "ring in");
    ranks.wait(out, "ring out");
    BOOST_TEST(!in.pending());
    BOOST_TEST((received == content(before)), size << " bytes");
  }
}

BOOST_AUTO_TEST_CASE(messages_of_one_pair_keep_apart_by_tag) {
  const Communicator& ranks = world();
  if (ranks.size() == 1 || ranks.rank() > 1) return;
  const int other = 1 - ranks.rank();
  std::vector<int> first{10 + ranks.rank()}, second{20 + ranks.rank()}, got_first{0}, got_second{0};
  comm::Request in_second = ranks.ireceive<int>(got_second, other, 2),
                in_first = ranks.ireceive<int>(got_first, other, 1);
  comm::Request out_first = ranks.isend<int>(first, other, 1), out_second = ranks.isend<int>(second, other, 2);
  for (comm::Request* request : {&in_second, &in_first, &out_first, &out_second}) ranks.wait(*request, "pair");
  BOOST_TEST(got_first[0] == 10 + other);
  BOOST_TEST(got_second[0] == 20 + other);
}

BOOST_AUTO_TEST_CASE(broadcast_from_every_root) {
  const Communicator& ranks = world();
  for (int root = 0; root < ranks.size(); ++root) {
    std::vector<double> values(1000);
    if (ranks.rank() == root) std::iota(values.begin(), values.end(), root * 1000.0);
    ranks.broadcast<double>(values, root, "values");
    BOOST_TEST(values.front() == root * 1000.0);
    BOOST_TEST(values.back() == root * 1000.0 + 999);
    BOOST_TEST(ranks.broadcast_text("from " + std::to_string(ranks.rank()), root, "text") ==
               "from " + std::to_string(root));
  }
}

BOOST_AUTO_TEST_CASE(gathered_in_rank_order) {
  const Communicator& ranks = world();
  const std::vector<int> mine{ranks.rank(), ranks.rank() * ranks.rank()};
  std::vector<int> all(2 * static_cast<std::size_t>(ranks.size()));
  ranks.all_gather<int>(mine, all, "squares");
  for (int rank = 0; rank < ranks.size(); ++rank) {
    BOOST_TEST(all[2 * static_cast<std::size_t>(rank)] == rank);
    BOOST_TEST(all[2 * static_cast<std::size_t>(rank) + 1] == rank * rank);
  }
  // Texts of other lengths on each rank: nothing, and more than any eager message.
  const std::string text(ranks.rank() == 0 ? 0 : 100'000 * static_cast<std::size_t>(ranks.rank()), 'x');
  const std::vector<std::string> texts = ranks.gather_text(text, "texts");
  BOOST_REQUIRE(texts.size() == static_cast<std::size_t>(ranks.size()));
  for (std::size_t rank = 0; rank < texts.size(); ++rank) BOOST_TEST(texts[rank].size() == 100'000 * rank);
}

BOOST_AUTO_TEST_CASE(sums_are_made_in_rank_order_with_the_same_bits_everywhere) {
  const Communicator& ranks = world();
  const auto value = [](int rank) { return 0.1 + 1e16 * (rank % 2 ? 1.0 : -1.0) * rank; };  // order matters
  double expected = value(0);
  for (int rank = 1; rank < ranks.size(); ++rank) expected += value(rank);
  const double sum = ranks.sum(value(ranks.rank()), "sum");
  BOOST_TEST(std::bit_cast<std::uint64_t>(sum) == std::bit_cast<std::uint64_t>(expected));
  BOOST_TEST(ranks.max(-1.0 - ranks.rank(), "max") == -1.0);
}

BOOST_AUTO_TEST_CASE(few_and_many_bytes_are_gathered_alike) {
  for (int members = 1; members <= world().size(); ++members) {  // 3 ranks: not a power of two
    const Communicator ranks = world().split(world().rank() < members ? 0 : -1);
    if (ranks.size() == 0) continue;
    const auto others = static_cast<std::size_t>(ranks.size() - 1);
    for (const std::size_t size : {std::size_t{1}, std::size_t{3}, std::size_t{16'384}, std::size_t{100'003}}) {
      const auto value = [&](std::size_t rank, std::size_t i) { return static_cast<float>(rank * 1000 + i % 997); };
      std::vector<float> mine(size), all(size * (others + 1), -1);
      for (std::size_t i = 0; i < size; ++i) mine[i] = value(static_cast<std::size_t>(ranks.rank()), i);
      const std::uint64_t before = ranks.bytes_sent();
      ranks.all_gather<float>(mine, all, "parts");
      BOOST_TEST(ranks.bytes_sent() - before == others * size * sizeof(float));
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < all.size(); ++i) wrong += all[i] != value(i / size, i % size);
      BOOST_TEST(wrong == 0u, wrong << " of " << all.size() << " on " << ranks.size() << " ranks");
    }
  }
}

BOOST_AUTO_TEST_CASE(lists_of_doubles_are_summed_in_rank_order) {
  const Communicator& ranks = world();
  const auto value = [](int rank, int i) { return 0.1 * i + 1e16 * (rank % 2 ? 1.0 : -1.0) * rank; };  // order matters
  std::vector<double> values(101);
  for (int i = 0; i < 101; ++i) values[static_cast<std::size_t>(i)] = value(ranks.rank(), i);
  ranks.sum(values, "values");
  for (int i = 0; i < 101; ++i) {
    double expected = value(0, i);
    for (int rank = 1; rank < ranks.size(); ++rank) expected += value(rank, i);
    BOOST_TEST(std::bit_cast<std::uint64_t>(values[static_cast<std::size_t>(i)]) ==
               std::bit_cast<std::uint64_t>(expected));
  }
  ranks.sum(std::span<double>(), "nothing");
}

BOOST_AUTO_TEST_CASE(sums_of_the_mpi_library_are_started_and_awaited) {
  const Communicator& ranks = world();
  const auto size = static_cast<unsigned>(ranks.size());
  std::vector<float> first(100'003), second(5), none;
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = static_cast<float>(i % 100 + 1000u * world().rank());
  std::fill(second.begin(), second.end(), 1.5f);
  const std::uint64_t before = ranks.bytes_sent();
  comm::Request one = ranks.iall_reduce(first), two = ranks.iall_reduce(second), three = ranks.iall_reduce(none);
  BOOST_TEST(ranks.bytes_sent() - before == 2 * (size - 1) * 400'012 / size + 2 * (size - 1) * 20 / size);
  while (!ranks.test(two)) continue;
  ranks.wait(one, "first sum");
  ranks.wait(three, "sum of nothing");
  for (std::size_t i = 0; i < first.size(); i += 1009)
    BOOST_TEST(first[i] == static_cast<float>(size * (i % 100) + 1000 * (size * (size - 1) / 2)));
  BOOST_TEST(second.back() == 1.5f * static_cast<float>(size));
}

BOOST_AUTO_TEST_CASE(split_by_color) {
  const Communicator& ranks = world();
  const Communicator half = ranks.split(ranks.rank() % 2);
  BOOST_TEST(half.size() == (ranks.size() + 1 - ranks.rank() % 2) / 2);
  BOOST_TEST(half.rank() == ranks.rank() / 2);
  BOOST_TEST(half.sum(1.0, "size") == half.size());
  const Communicator first = ranks.split(ranks.rank() == 0 ? 5 : -1);
  BOOST_TEST(first.size() == (ranks.rank() == 0 ? 1 : 0));
  const Communicator alone = half.split(half.rank());
  BOOST_TEST(alone.size() == 1);
  BOOST_TEST(alone.sum(3.0, "alone") == 3.0);
  BOOST_TEST(ranks.node_size() == ranks.size());  // the tests run on one node
  BOOST_TEST(ranks.node_rank() == ranks.rank());
}

BOOST_AUTO_TEST_CASE(a_message_that_never_comes_ends_in_an_error) {
  Communicator ranks = world().split(0);
  if (ranks.size() == 1) return;
  ranks.set_timeout(0.2);
  int polls = 0;
  ranks.set_poll_hook([&] { ++polls; });
  static std::vector<int> buffer(1);  // outlives the receive, whose request is lost with the error
  std::string message;
  if (ranks.rank() == 0) {
    try {
      comm::Request request = ranks.ireceive<int>(buffer, 1, 99);
      ranks.wait(request, "a letter");
    } catch (const base::Error& error) {
      message = error.what();
    }
    BOOST_TEST(message.find("rank 0") != std::string::npos, message);
    BOOST_TEST(message.find("a letter") != std::string::npos, message);
    BOOST_TEST(polls > 10);
  }
  world().barrier("after the time-out");
  // The receive is still posted in this group: satisfy it, so that MPI can finish.
  comm::Request late;
  if (ranks.rank() == 1) late = ranks.isend<int>(std::span<const int>(buffer), 0, 99);
  if (ranks.rank() == 1) ranks.wait(late, "late letter");
}

double processor_seconds() {
  timespec time{};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

BOOST_AUTO_TEST_CASE(a_long_wait_leaves_the_core_to_others) {
  const Communicator& ranks = world();
  if (ranks.size() == 1) return;
  ranks.barrier("start");
  if (ranks.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(400));
  const double before = processor_seconds();
  ranks.barrier("late rank 0");
  BOOST_TEST(processor_seconds() - before < 0.15);
}

std::string shared_message(const std::function<void()>& action, base::ExitCode& code) {
  try {
    comm::together(world(), "test", action);
  } catch (const base::SharedError& error) {
    code = error.code();
    return error.what();
  }
  return "";
}

BOOST_AUTO_TEST_CASE(what_ranks_say_is_told_in_few_lines) {
  using Lines = std::vector<std::string>;
  const Lines hosts{"n1", "n1", "n2", "n2"};
  BOOST_TEST(comm::by_rank({"", "", "", ""}, hosts) == Lines{}, boost::test_tools::per_element());
  BOOST_TEST(comm::by_rank({"a", "a", "a", "a"}, hosts) == Lines{"all 4 ranks: a"}, boost::test_tools::per_element());
  const Lines expected{"3 ranks, the first of them 0 on n1: a", "rank 2 on n2: b"};
  BOOST_TEST(comm::by_rank({"a", "a", "b", "a"}, hosts) == expected, boost::test_tools::per_element());
  BOOST_TEST(comm::by_rank({"a"}, {"n1"}) == Lines{"a"}, boost::test_tools::per_element());

  const Communicator& ranks = world();
  const bool last = ranks.rank() == ranks.size() - 1;
  const Lines told = comm::gather_by_rank(ranks, last ? "here" : "", "test");
  BOOST_REQUIRE(told.size() == 1u);
  if (ranks.size() > 1)
    BOOST_TEST(told[0] == "rank " + std::to_string(ranks.size() - 1) + " on " + ranks.host() + ": here");
}

BOOST_AUTO_TEST_CASE(errors_are_shared) {
  const Communicator& ranks = world();
  base::ExitCode code = base::ExitCode::done;
  BOOST_TEST(shared_message([] {}, code) == "");
  BOOST_TEST(shared_message([] { base::fail_usage("the same"); }, code) == "the same");
  BOOST_TEST((code == base::ExitCode::usage));
  const int last = ranks.size() - 1;
  const std::string one = shared_message(
      [&] {
        if (ranks.rank() == last) base::fail("only here");
      },
      code);
  BOOST_TEST(one.find("only here") != std::string::npos, one);
  BOOST_TEST((code == base::ExitCode::failed));
  const std::string all = shared_message([&] { base::fail("from {}", ranks.rank()); }, code);
  for (int rank = 0; rank < ranks.size(); ++rank)
    BOOST_TEST(all.find("from " + std::to_string(rank)) != std::string::npos, all);
  BOOST_TEST(shared_message([] { throw std::runtime_error("of the library"); }, code).find("of the library") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_must_be_equal_is_compared_over_all_ranks) {
  const Communicator& ranks = world();
  comm::require_equal(ranks, "v3", "kernels", "set v3");
  if (ranks.size() == 1) return;
  const int last = ranks.size() - 1;
  BOOST_CHECK_EXCEPTION(comm::require_equal(ranks, ranks.rank() == last ? "v4" : "v3", "kernels", "set v3"),
                        base::SharedError, [&](const base::SharedError& error) {
                          const std::string expected = "v4 on 1 (the first is rank " + std::to_string(last);
                          return std::string(error.what()).find(expected) != std::string::npos;
                        });
}

}  // namespace
}  // namespace tessera::testing
