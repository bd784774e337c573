// SPDX-License-Identifier: Apache-2.0
// A job that is asked to stop saves, requeues itself and resumes: it ends with the bits of a run that never stopped.
#include <filesystem>
#include <fmt/core.h>

#include "cli/resume.hpp"
#include "slurm/job.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// Lets the stopped job train five steps more, and shows that it went on from its checkpoint.
void resumes_bit_equal(const JobFixture& run) {
  run.wait_for_requeue(1);
  const std::int64_t stopped = run.num_steps(), end = stopped + 5;
  const std::string first = run.log();
  BOOST_TEST(first.find(", start 0: exit code 85\n") != std::string::npos, first);
  BOOST_TEST(first.find(fmt::format("\nstep {}: checkpoint ", stopped)) != std::string::npos, first);

  run.change_config("[run]\n", "[run]\nstop_after = 5\n");
  run.change_config("log_interval = 1000000\n", "log_interval = 1\n");
  run.wait_for_end("COMPLETED");
  BOOST_TEST(run.job("Restarts") == "1");
  BOOST_TEST(run.job("ExitCode") == "0:0");
  const std::string log = run.log();
  BOOST_REQUIRE_MESSAGE(log.starts_with(first), "the log was not appended to\n" << log);
  const std::string second = log.substr(first.size());
  BOOST_TEST(second.find(fmt::format("step-{:08}.h5' (step {})\n", stopped, stopped)) != std::string::npos, second);
  const std::size_t step = second.find("\nstep ");
  BOOST_REQUIRE_MESSAGE(step != std::string::npos, second);
  BOOST_TEST(second.substr(step).starts_with(fmt::format("\nstep {}/", stopped + 1)), second);

  std::vector<double> steps;
  for (std::int64_t i = 1; i <= end; ++i) steps.push_back(static_cast<double>(i));
  BOOST_TEST(metric_values(read_file(run.metrics), "step") == steps, boost::test_tools::per_element());

  const std::string whole = run.folder / "whole";
  const ProcessResult undisturbed = run.train_alone("--run.log_interval=1000000 --run.dir=" + shell_quoted(whole) +
                                                    " --run.stop_after=" + std::to_string(end));
  BOOST_REQUIRE_MESSAGE(undisturbed.exit_code == 0, undisturbed.errors);
  const std::string last = fmt::format("/checkpoints/step-{:08}.h5", end);
  BOOST_TEST((comparable_metrics(run.metrics) == comparable_metrics(whole + "/metrics.jsonl")));
  BOOST_TEST((tensors(run.run + last) == tensors(whole + last)));
}

/// Slurm warns at most a minute before the time that is asked for, and looks every half minute.
const std::string kOneMinute = "--time=1 --signal=B:USR1@20";

BOOST_FIXTURE_TEST_CASE(the_end_of_the_wall_time_under_srun, JobFixture) {
  if (!submit("srun", kOneMinute)) return;
  resumes_bit_equal(*this);
  BOOST_TEST(log().find("DUE TO TIME LIMIT") == std::string::npos, log());  // the warning was heard
}

BOOST_FIXTURE_TEST_CASE(the_end_of_the_wall_time_under_mpirun, JobFixture) {
  if (!submit("mpirun", kOneMinute)) return;
  resumes_bit_equal(*this);
  BOOST_TEST(log().find("DUE TO TIME LIMIT") == std::string::npos, log());  // the warning was heard
}

/// Of all that is not --full: Slurm signals the steps, in which mpirun's daemons are.
BOOST_FIXTURE_TEST_CASE(scancel_with_a_signal_under_srun, JobFixture) {
  if (!submit("srun")) return;
  wait_for_steps(20);
  ask("scancel --signal=TERM");
  resumes_bit_equal(*this);
}

BOOST_FIXTURE_TEST_CASE(scancel_with_a_signal_under_mpirun, JobFixture) {
  if (!submit("mpirun")) return;
  wait_for_steps(20);
  ask("scancel --signal=TERM");
  resumes_bit_equal(*this);
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
