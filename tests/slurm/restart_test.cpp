// SPDX-License-Identifier: Apache-2.0
// A job that crashes starts again while it makes progress, a few times; one that would end so again does not.
#include <filesystem>

#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

void dies_and_resumes(JobFixture& run, const std::string& launcher, int rank) {
  run.save_interval = 10;
  let_second_start_end(run);
  if (!run.submit(launcher)) return;
  run.wait_for_steps(25);
  run.kill_rank(rank);
  run.wait_for_requeue(1);
  BOOST_TEST(run.newest_checkpoint() >= 20);
  BOOST_TEST(run.log().find(", start 0: exit code 137\n") != std::string::npos, run.log());
  resumes_bit_equal(run);
}

BOOST_FIXTURE_TEST_CASE(a_killed_rank_restarts_the_job_under_srun, JobFixture) {
  dies_and_resumes(*this, "srun", 1);
}

BOOST_FIXTURE_TEST_CASE(a_killed_rank_restarts_the_job_under_mpirun, JobFixture) {
  dies_and_resumes(*this, "mpirun", 0);
}

BOOST_FIXTURE_TEST_CASE(a_crash_without_progress_ends_the_job, JobFixture) {
  if (!submit("mpirun")) return;
  wait_for_steps(25);
  kill_rank(0);
  wait_for_end("FAILED");
  BOOST_TEST(job("Restarts") == "0");
  BOOST_TEST(job("ExitCode") == "137:0");
  BOOST_TEST(log().find("start 0 crashed and saved no checkpoint after that of step 0") != std::string::npos, log());
}

/// The batch shell dies and can say nothing: the next start sees that the last one has no end.
BOOST_FIXTURE_TEST_CASE(a_lost_start_counts_as_a_crash, JobFixture) {
  if (!submit("srun", "--export=ALL,TESSERA_MAX_RESTARTS=0")) return;
  wait_for_steps(25);
  kill_script();
  wait_for_end("FAILED");
  ask("scontrol requeue");
  wait_for_requeue(1);
  wait_for_end("FAILED");
  BOOST_TEST(job("ExitCode") == "1:0");
  BOOST_TEST(log().find("start 1: crash number 1 of this job, TESSERA_MAX_RESTARTS = 0") != std::string::npos, log());
}

BOOST_FIXTURE_TEST_CASE(crashes_beyond_the_budget_end_the_job, JobFixture) {
  save_interval = 10;
  if (!submit("mpirun", "--export=ALL,TESSERA_MAX_RESTARTS=1")) return;
  for (int start = 0; start < 2; ++start) {
    wait_for_steps(25);
    kill_rank(1);
    if (start == 0) wait_for_requeue(1);
    fs::remove(metrics);
    wait_for_end(start == 0 ? "RUNNING" : "FAILED");
  }
  BOOST_TEST(job("Restarts") == "1");
  BOOST_TEST(newest_checkpoint() >= 40);
  BOOST_TEST(log().find("crash number 2 of this job, TESSERA_MAX_RESTARTS = 1") != std::string::npos, log());
}

BOOST_FIXTURE_TEST_CASE(a_run_that_diverged_is_not_requeued, JobFixture) {
  save_interval = 1;
  if (!submit("srun", "", "--optim.lr=1e39 --optim.min_lr=1e39 --optim.warmup=0")) return;
  wait_for_end("FAILED");
  BOOST_TEST(job("Restarts") == "0");
  BOOST_TEST(job("ExitCode") == "3:0");
  BOOST_TEST(log().find("crash") == std::string::npos, log());
}

BOOST_FIXTURE_TEST_CASE(a_wrong_option_ends_the_job_before_ranks_start, JobFixture) {
  if (!submit("srun", "", "--parallel.tensor=3")) return;
  wait_for_end("FAILED");
  BOOST_TEST(job("ExitCode") == "2:0");
  BOOST_TEST(log().find("parallel.tensor = 3") != std::string::npos, log());
  BOOST_TEST(!fs::exists(run));
}

}  // namespace
}  // namespace tessera::testing
