// SPDX-License-Identifier: Apache-2.0
#include "jobs/program.hpp"

#include <boost/test/unit_test.hpp>

namespace tessera::jobs {
namespace {

BOOST_AUTO_TEST_SUITE(program)

BOOST_AUTO_TEST_CASE(tells_what_a_program_wrote_and_how_it_ended) {
  const ProgramEnd end =
      run_program({"sh", "-c", "echo \"$1 $WORD\"; echo trouble >&2; exit 7", "sh", "two words"}, {60, {"WORD=there"}});
  BOOST_TEST(end.output == "two words there\n");
  BOOST_TEST(end.errors == "trouble\n");
  BOOST_TEST(end.exit_code == 7);
  BOOST_TEST(!end.timed_out);
}

BOOST_AUTO_TEST_CASE(tells_the_signal_that_ended_it) {
  BOOST_TEST(run_program({"sh", "-c", "kill -KILL $$"}).exit_code == 137);
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_exist_ends_with_127) {
  const ProgramEnd end = run_program({"no-such-program"});
  BOOST_TEST(end.exit_code == 127);
  BOOST_TEST(end.errors == "no-such-program: No such file or directory\n");
}

BOOST_AUTO_TEST_CASE(ends_a_program_whose_time_is_up) {
  const ProgramEnd end = run_program({"sleep", "100"}, {0.1, {}});
  BOOST_TEST(end.timed_out);
  BOOST_TEST(end.exit_code == 128 + 15);
}

BOOST_AUTO_TEST_CASE(ends_a_program_when_asked_to_stop) {
  int asked = 0;
  const ProgramEnd end = run_program({"sleep", "20"}, {1000, {}, [&] { return ++asked > 5; }});
  BOOST_TEST(end.stopped);
  BOOST_TEST(!end.timed_out);
  BOOST_TEST(end.exit_code == 128 + 15);
  BOOST_TEST(!run_program({"true"}, {60, {}, [] { return false; }}).stopped);
}

BOOST_AUTO_TEST_CASE(much_output_does_not_make_it_wait) {
  BOOST_TEST(run_program({"head", "-c", "3000000", "/dev/zero"}).output.size() == 3000000U);
}

BOOST_AUTO_TEST_CASE(finds_programs) {
  BOOST_TEST(is_installed("sh"));
  BOOST_TEST(is_installed("/bin/sh"));
  BOOST_TEST(!is_installed("no-such-program"));
}

BOOST_AUTO_TEST_CASE(quotes_what_a_shell_would_change) {
  for (const std::string word : {"plain/word.h5", "two words", "it's", "", "$HOME `x` \"y\" \\", "a\nb"})
    BOOST_TEST(run_program({"sh", "-c", "printf %s " + shell_quoted(word)}).output == word);
  BOOST_TEST(shell_quoted("--run.dir=runs/a") == "--run.dir=runs/a");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::jobs
