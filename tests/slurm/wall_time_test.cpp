// SPDX-License-Identifier: Apache-2.0
// A job whose time ends saves, requeues itself and resumes: it ends with the bits of a run that never stopped.
#include "slurm/early_jobs.hpp"
#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

/// Slurm warns at most a minute before the time that is asked for, and looks every half minute.
void submit_for_a_minute(Jobs& jobs) {
  for (const std::unique_ptr<JobFixture>& run : jobs) {
    run->pace = 0.2;
    let_second_start_end(*run);
    run->submit(&run == &jobs.front() ? "srun" : "mpirun", "--time=1 --signal=B:USR1@20");
  }
}

EarlyJobs minutes("the_end_of_the_wall_time", 2, submit_for_a_minute);

BOOST_AUTO_TEST_CASE(the_end_of_the_wall_time) {
  for (const std::unique_ptr<JobFixture>& run : minutes.take()) {
    resumes_bit_equal(*run);
    const std::string log = run->log();
    BOOST_TEST(log.find(", start 0: exit code 85\n") != std::string::npos, log);
    BOOST_TEST(log.find("DUE TO TIME LIMIT") == std::string::npos, log);  // the warning was heard
  }
}

}  // namespace
}  // namespace tessera::testing
