// SPDX-License-Identifier: Apache-2.0
// A run submits its own job, is told by `tessera status` at every turn, and is submitted again by hand.
#include <fmt/core.h>

#include "json/json.hpp"
#include "slurm/job.hpp"

namespace tessera::testing {
namespace {

struct SubmitFixture : JobFixture {
  /// From the folder of the run, as a user does; false if there is no Slurm.
  bool submit_itself(const std::string& options) {
    if (!cluster_or_skip()) return false;
    const ProcessResult submitted = cluster->run(
        "cd " + shell_quoted(folder.path()) + "; export TESSERA_LAUNCHER=srun TESSERA_LAUNCHER_OPTIONS=--wait=10; " +
        tessera() +
        " train --config tiny.cfg --submit --nodes=2 --ntasks-per-node=1 --sbatch=--exclude=" + Cluster::lost_node +
        " --run.steps=1000000 --run.eval_interval=0 --model.hidden=128 --model.heads=4 " + options);
    BOOST_REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.errors);
    id = submitted.output.substr(4, submitted.output.find(':') - 4);  // "job 12: ..."
    log_file = fmt::format("{}/log/slurm-{}.out", run, id);
    return true;
  }
  json::Json status() const {
    const ProcessResult result = cluster->run(tessera() + " status --json " + shell_quoted(run));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    return json::parse(result.output, "status");
  }
  void expect_state(const std::string& state) const {
    const json::Json now = status();
    BOOST_TEST(now.at("state").as_string() == state, now.dump(2) << log());
  }
};

BOOST_FIXTURE_TEST_CASE(a_run_submits_itself_and_is_told_through_its_life, SubmitFixture) {
  if (!submit_itself("--time=20m --signal=90s --checkpoint.interval=10")) return;
  wait_for_steps(25);
  const json::Json running = status();
  BOOST_TEST(running.at("state").as_string() == "running", running.dump(2));
  BOOST_TEST(running.at("job").at("id").as_string() == id);
  BOOST_TEST(running.at("job").at("nodes").as_string().starts_with("n"));
  BOOST_TEST(running.at("job").at("limit_seconds").as_double() == 1200);
  BOOST_TEST(running.at("start").at("nodes").as_int() == 2);
  BOOST_TEST(running.at("max_restarts").as_int() == 3);
  const ProcessResult second = cluster->run(tessera() + " train --config " + shell_quoted(config) + " --submit");
  expect_error(second, 2, "is in use (running: ");

  kill_rank(1);
  wait_for_requeue(1);
  const json::Json requeued = status();
  BOOST_TEST(requeued.at("state").as_string() == "requeued", requeued.dump(2));
  BOOST_TEST(requeued.at("restarts").as_int() == 1);

  change_config("[run]\n", "[run]\nstop_after = 5\n");
  wait_for_end("COMPLETED");
  const json::Json stopped = status();
  BOOST_TEST(stopped.at("state").as_string() == "stopped", stopped.dump(2) << log());
  BOOST_TEST(stopped.at("exit_code").as_int() == 0);
  BOOST_TEST(stopped.at("start").at("from_step").as_int() + 5 == stopped.at("step").as_int());

  // By hand, from anywhere: the script names all it needs.
  const ProcessResult again = cluster->run("cd /; sbatch --parsable " + shell_quoted(run + "/log/submit-1.sbatch"));
  BOOST_REQUIRE_MESSAGE(again.exit_code == 0, again.errors);
  id = again.output.substr(0, again.output.find('\n'));
  log_file = fmt::format("{}/log/slurm-{}.out", run, id);
  wait_for_end("COMPLETED");
  BOOST_TEST(status().at("starts").as_int() == 3);
  BOOST_TEST(status().at("step").as_int() == stopped.at("step").as_int() + 5);
}

BOOST_FIXTURE_TEST_CASE(a_job_that_waits_is_told_with_its_reason, SubmitFixture) {
  if (!submit_itself("--sbatch=--hold --run.stop_after=1")) return;
  expect_state("waiting");
  BOOST_TEST(status().at("reason").as_string().find("held by its owner") != std::string::npos);
  ask("scancel");
  wait_for_job("cancelled job", 60, [&] { return job("JobState") == "CANCELLED"; });
  expect_state("failed");  // it never trained
}

BOOST_FIXTURE_TEST_CASE(what_slurm_refuses_is_told_with_a_remedy, SubmitFixture) {
  if (!cluster_or_skip()) return;
  const ProcessResult refused =
      cluster->run(tessera() + " train --config " + shell_quoted(config) + " --submit --partition=none");
  expect_error(refused, 1, "sbatch refused the job: ");
  BOOST_TEST(refused.errors.find("SBATCH_PARTITION") != std::string::npos, refused.errors);
}

}  // namespace
}  // namespace tessera::testing
