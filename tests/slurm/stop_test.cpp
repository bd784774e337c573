// SPDX-License-Identifier: Apache-2.0
// A job that is asked to stop saves, requeues itself and resumes: it ends with the bits of a run that never stopped.
#include <filesystem>
#include <fmt/core.h>

#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// The job was asked to stop: it saves what it has computed, and goes on from there.
void stops_and_resumes(const JobFixture& run) {
  run.wait_for_requeue(1);
  BOOST_TEST(run.newest_checkpoint() == run.num_steps());
  BOOST_TEST(run.log().find(", start 0: exit code 85\n") != std::string::npos, run.log());
  resumes_bit_equal(run);
}

/// Slurm warns at most a minute before the time that is asked for, and looks every half minute.
const std::string kOneMinute = "--time=1 --signal=B:USR1@20";

BOOST_FIXTURE_TEST_CASE(the_end_of_the_wall_time_under_srun, JobFixture) {
  if (!submit("srun", kOneMinute)) return;
  stops_and_resumes(*this);
  BOOST_TEST(log().find("DUE TO TIME LIMIT") == std::string::npos, log());  // the warning was heard
}

BOOST_FIXTURE_TEST_CASE(the_end_of_the_wall_time_under_mpirun, JobFixture) {
  if (!submit("mpirun", kOneMinute)) return;
  stops_and_resumes(*this);
  BOOST_TEST(log().find("DUE TO TIME LIMIT") == std::string::npos, log());  // the warning was heard
}

/// Of all that is not --full: Slurm signals the steps, in which mpirun's daemons are.
BOOST_FIXTURE_TEST_CASE(scancel_with_a_signal_under_srun, JobFixture) {
  if (!submit("srun")) return;
  wait_for_steps(20);
  ask("scancel --signal=TERM");
  stops_and_resumes(*this);
}

BOOST_FIXTURE_TEST_CASE(scancel_with_a_signal_under_mpirun, JobFixture) {
  if (!submit("mpirun")) return;
  wait_for_steps(20);
  ask("scancel --signal=TERM");
  stops_and_resumes(*this);
}

/// Slurm sends SIGTERM to every process of such a job.
BOOST_FIXTURE_TEST_CASE(a_cancelled_job_saves_and_stays_cancelled, JobFixture) {
  for (const std::string launcher : {"srun", "mpirun"}) {
    if (!submit(launcher)) return;
    wait_for_steps(20);
    ask("scancel");
    wait_for_job("cancelled job", 60, [&] { return job("JobState") == "CANCELLED"; });
    BOOST_TEST(job("Restarts") == "0");
    BOOST_TEST(job("ExitCode") == "85:0");
    BOOST_TEST(log().find(fmt::format("\nstep {}: checkpoint ", num_steps())) != std::string::npos, log());
    fs::remove_all(run);
    fs::remove(log_file);
  }
}

}  // namespace
}  // namespace tessera::testing
