// SPDX-License-Identifier: Apache-2.0
// A job that ends well, alone and in chains: a job that waits for another one of the same run goes on where that ended.
#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

/// Two ranks on each of two nodes.
BOOST_FIXTURE_TEST_CASE(a_job_trains_to_its_end, JobFixture) {
  const std::string options = "--parallel.tensor=2 --parallel.zero=1";
  nodes = "--nodes=2 --ntasks-per-node=2";
  total_steps = 30;
  if (!submit("srun", "", options)) return;
  wait_for_end("COMPLETED");
  BOOST_TEST(job("Restarts") == "0");
  BOOST_TEST(job("ExitCode") == "0:0");
  BOOST_TEST(log().find("start 0: 4 rank(s) on n[1-2]\n") != std::string::npos, log());
  const std::string whole = folder / "whole", last = "/checkpoints/step-00000030.h5";
  const ProcessResult undisturbed = train_alone(options + " --run.dir=" + shell_quoted(whole), 4);
  BOOST_REQUIRE_MESSAGE(undisturbed.exit_code == 0, undisturbed.errors);
  BOOST_TEST((comparable_metrics(metrics) == comparable_metrics(whole + "/metrics.jsonl")));
  BOOST_TEST((tensors(run + last) == tensors(whole + last)));
}

/// Submits a second job of the run, which depends on the first, and hands it over to the fixture.
void chain(JobFixture& run, const std::string& launcher, const std::string& dependency) {
  const std::string first = run.id;
  run.submit(launcher, "--no-requeue " + dependency, "--run.stop_after=5 --run.log_interval=1");
  BOOST_TEST(run.job("JobState") == "PENDING");
  BOOST_TEST(run.job("Reason") == "Dependency");
  BOOST_TEST(run.id != first);
}

void goes_on_behind(JobFixture& run, std::int64_t saved) {
  run.wait_for_end("COMPLETED");
  const std::string log = run.log();
  BOOST_TEST(log.find(fmt::format("step-{:08}.h5' (step {})\n", saved, saved)) != std::string::npos, log);
  BOOST_TEST(log.find(fmt::format("\nstep {}/", saved + 1)) != std::string::npos, log);
  BOOST_TEST(run.newest_checkpoint() == saved + 5);
  BOOST_TEST(run.num_steps() == saved + 5);
}

/// One job of a name at a time, each a part of the run.
BOOST_FIXTURE_TEST_CASE(jobs_of_one_name_go_on_one_after_the_other, JobFixture) {
  const std::string name = "--job-name=chain --dependency=singleton ";
  if (!submit("srun", name, "--run.stop_after=20")) return;
  chain(*this, "srun", name);
  goes_on_behind(*this, 20);
}

/// Where jobs must not requeue themselves, the next one does what the next start would.
BOOST_FIXTURE_TEST_CASE(a_job_goes_on_after_one_that_was_stopped, JobFixture) {
  if (!submit("mpirun", "--no-requeue")) return;
  const std::string first = id;
  chain(*this, "mpirun", "--dependency=afterany:" + first);
  wait_for_steps(20);
  const ProcessResult asked = cluster->run("scancel --batch --signal=USR1 " + first);
  BOOST_REQUIRE_MESSAGE(asked.exit_code == 0, asked.errors);
  wait_for_job("end of the first job", 60, [&] { return job("JobState") != "PENDING"; });
  const std::int64_t saved = last_saved_step(log().substr(0, log().find("job " + first + ", start 0: exit code 85\n")));
  goes_on_behind(*this, saved);
  const std::string told = "this job may not be requeued. Submit it again, and it goes on from step ";
  BOOST_TEST(log().find(told + std::to_string(saved) + "\n") != std::string::npos, log());
}

}  // namespace
}  // namespace tessera::testing
