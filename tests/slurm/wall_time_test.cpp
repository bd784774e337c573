// SPDX-License-Identifier: Apache-2.0
// A job whose time ends saves, requeues itself and resumes: it ends with the bits of a run that never stopped.
#include "slurm/early_job.hpp"
#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

/// Slurm warns at most a minute before the time that is asked for, and looks every half minute.
void submit_for_a_minute(JobFixture& run, const std::string& launcher) {
  run.pace = 0.2;
  let_second_start_end(run);
  run.submit(launcher, "--time=1 --signal=B:USR1@20");
}

void ends_and_resumes(EarlyJob& early) {
  const std::unique_ptr<JobFixture> run = early.take();
  if (!run) return;
  resumes_bit_equal(*run);
  const std::string log = run->log();
  BOOST_TEST(log.find(", start 0: exit code 85\n") != std::string::npos, log);
  BOOST_TEST(log.find("DUE TO TIME LIMIT") == std::string::npos, log);  // the warning was heard
}

EarlyJob srun_job("the_end_of_the_wall_time_under_srun", [](JobFixture& run) { submit_for_a_minute(run, "srun"); });
BOOST_AUTO_TEST_CASE(the_end_of_the_wall_time_under_srun) {
  ends_and_resumes(srun_job);
}

EarlyJob mpirun_job("the_end_of_the_wall_time_under_mpirun",
                    [](JobFixture& run) { submit_for_a_minute(run, "mpirun"); });
BOOST_AUTO_TEST_CASE(the_end_of_the_wall_time_under_mpirun) {
  ends_and_resumes(mpirun_job);
}

}  // namespace
}  // namespace tessera::testing
