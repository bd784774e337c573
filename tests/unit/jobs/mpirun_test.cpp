// SPDX-License-Identifier: Apache-2.0
#include "jobs/mpirun.hpp"

#include <boost/test/unit_test.hpp>

#include "jobs/program.hpp"

namespace tessera::jobs {
namespace {

BOOST_AUTO_TEST_SUITE(mpirun)

BOOST_AUTO_TEST_CASE(starts_as_many_processes_as_ranks) {
  std::vector<std::string> words = mpirun_words(3);
  words.insert(words.end(), {"echo", "here"});
  const ProgramEnd end = run_program(words, {60, {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"}});
  BOOST_TEST(end.exit_code == 0, end.errors);
  BOOST_TEST(end.output == "here\nhere\nhere\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::jobs
