// SPDX-License-Identifier: Apache-2.0
// How the scripts count tests: what went wrong must never look like a pass.
#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

/// "passed failed skipped" for the log of one program.
std::string counts_of(const std::string& report) {
  const TestFolder folder;
  write_file(folder / "log", "test 1\n" + report + "1/1 Test #1: some ......   Passed\n");
  return run_shell("awk -f " + shell_quoted(TESSERA_SOURCE_DIR "/scripts/count_tests.awk") + " " +
                   shell_quoted(folder / "log"))
      .output;
}

BOOST_AUTO_TEST_CASE(test_cases_are_counted_by_their_verdict) {
  BOOST_TEST(counts_of("1: 12 test cases out of 12 passed\n") == "12 0 0\n");
  BOOST_TEST(counts_of("1: 1 test case out of 1 passed\n1: SKIPPED: no data\n") == "0 0 1\n");
  BOOST_TEST(counts_of("1: 2 test cases out of 5 failed\n1: 3 test cases out of 5 passed\n") == "3 2 0\n");
  BOOST_TEST(counts_of("1: 1 test case out of 2 aborted\n1: 1 test case out of 2 skipped\n") == "0 1 1\n");
}

BOOST_AUTO_TEST_CASE(what_is_not_a_pass_is_a_failure) {
  BOOST_TEST(counts_of("1: 9 test cases out of 9 passed\n1: 1 test case out of 1 failed on another rank\n") ==
             "9 1 0\n");
  BOOST_TEST(counts_of("1: 1 test case out of 1 exploded\n") == "0 1 0\n");
  BOOST_TEST(counts_of("1: Segmentation fault\n") == "0 1 0\n");
}

}  // namespace
}  // namespace tessera::testing
