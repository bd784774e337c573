// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/child.hpp"

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace tessera::checkpoint {
namespace {

constexpr Limits kLimits{std::uint64_t{64} << 20, 1, 20};

/// Fails unless the child ended without returning, for a reason with `text`, and was waited for.
void expect_end(const std::function<std::string()>& action, const std::string& text, const Limits& limits = kLimits,
                bool timed_out = false) {
  const ChildEnd end = run_in_child(action, limits);
  BOOST_TEST(!end.returned);
  BOOST_TEST(end.timed_out == timed_out);
  BOOST_TEST(end.text.find(text) != std::string::npos, end.text);
  BOOST_TEST((::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD));
}

BOOST_AUTO_TEST_CASE(a_child_returns_texts_of_any_length) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1} << 20}) {
    const ChildEnd end = run_in_child([&] { return std::string(size, 'x'); }, kLimits);
    BOOST_TEST(end.returned);
    BOOST_TEST((end.text == std::string(size, 'x')));
  }
}

BOOST_AUTO_TEST_CASE(what_a_child_changes_stays_with_it) {
  int value = 1;
  BOOST_TEST(run_in_child([&] { return std::to_string(value += 1); }, kLimits).text == "2");
  BOOST_TEST(value == 1);
}

BOOST_AUTO_TEST_CASE(a_crash_ends_the_child_alone) {
  expect_end([]() -> std::string { std::abort(); }, "signal 6");
  expect_end([]() -> std::string { ::_exit(3); }, "exit code 3");
  expect_end([]() -> std::string { throw std::runtime_error("no such luck"); }, "no such luck");
}

BOOST_AUTO_TEST_CASE(a_child_that_spins_or_sleeps_is_ended) {
  expect_end(
      []() -> std::string {
        while (std::clock() >= 0) {
        }
        return "";
      },
      "1 s of processor time");
  expect_end(
      []() -> std::string {
        for (;;) ::pause();
      },
      "0 s", {kLimits.memory_bytes, 1, 0.2}, true);
}

BOOST_AUTO_TEST_CASE(a_child_that_says_too_much_is_ended) {
  expect_end([] { return std::string(std::size_t{20} << 20, 'x'); }, "signal 13");
}

BOOST_AUTO_TEST_CASE(a_child_gets_no_more_memory_than_its_limit) {
  if (!limits_memory()) {
    std::cout << "SKIPPED: AddressSanitizer does not live with a limit on address space\n";
    return;
  }
  const auto take = [](std::size_t megabytes) {
    return [=] { return std::to_string(std::string(megabytes << 20, 'x').size()); };
  };
  BOOST_TEST(run_in_child(take(32), kLimits).returned);
  expect_end(take(128), "64.00 MiB of memory");
}

}  // namespace
}  // namespace tessera::checkpoint
