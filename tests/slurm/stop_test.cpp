// SPDX-License-Identifier: Apache-2.0
// A job that is asked to stop saves, requeues itself and resumes: it ends with the bits of a run that never stopped.
#include <filesystem>
#include <fmt/core.h>

#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// The job was asked to stop: it saves what it has computed, and goes on from there.
void stops_and_resumes(JobFixture& run, const std::string& launcher) {
  let_second_start_end(run);
  if (!run.submit(launcher)) return;
  run.wait_for_steps(20);
  run.ask("scancel --signal=TERM");
  run.wait_for_requeue(1);
  BOOST_TEST(run.newest_checkpoint() == run.num_steps());
  BOOST_TEST(run.log().find(", start 0: exit code 85\n") != std::string::npos, run.log());
  resumes_bit_equal(run);
}

/// Of all that is not --full: Slurm signals the steps, in which mpirun's daemons are.
BOOST_FIXTURE_TEST_CASE(scancel_with_a_signal_under_srun, JobFixture) {
  stops_and_resumes(*this, "srun");
}

BOOST_FIXTURE_TEST_CASE(scancel_with_a_signal_under_mpirun, JobFixture) {
  stops_and_resumes(*this, "mpirun");
}

/// As with a --signal that comes with the start, or steps that are longer than the wall time.
BOOST_FIXTURE_TEST_CASE(a_job_that_never_gets_to_a_save_ends, JobFixture) {
  instead = "exit 85";
  if (!submit("srun")) return;
  wait_for_end("FAILED");
  BOOST_TEST(job("Restarts") == "2");
  BOOST_TEST(job("ExitCode") == "85:0");
  BOOST_TEST(
      log().find("error: job " + id + ", start 2: three starts in a row were asked to stop") != std::string::npos,
      log());
}

/// What was checked for so many ranks must not run on others.
BOOST_FIXTURE_TEST_CASE(ranks_of_the_environment_count_more_than_those_of_the_site, JobFixture) {
  write_file(folder / "site.env", "TESSERA_RANKS_PER_NODE=1\n");
  environment = "TESSERA_RANKS_PER_NODE=2 TESSERA_SITE=" + shell_quoted(folder / "site.env") + " ";
  nodes = "--nodes=2 --mincpus=2";
  instead = "exit 0";
  if (!submit("srun")) return;
  wait_for_end("COMPLETED");
  BOOST_TEST(log().find("start 0: 4 rank(s)") != std::string::npos, log());
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
