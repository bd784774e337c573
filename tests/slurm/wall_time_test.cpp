// SPDX-License-Identifier: Apache-2.0
// A job whose time ends saves, requeues itself and resumes: it ends with the bits of a run that never stopped.
#include "slurm/early_jobs.hpp"
#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

/// The checkpoints of this one are written slowly: the warning that comes too late for them is told with what it should
/// be, after the first save and at the next start.
BOOST_FIXTURE_TEST_CASE(a_warning_that_comes_too_late_is_told, JobFixture) {
  save_interval = 5;
  environment = "SBATCH_SIGNAL=B:USR1@2 ";
  pace = 0.02;
  paced = run + "/checkpoints";
  let_second_start_end(*this);
  if (!submit("srun")) return;
  wait_for_job("save", 120, [&] { return newest_checkpoint() > 0; });
  ask("scancel --signal=TERM");
  wait_for_requeue(1);
  const std::vector<double> needed = metric_values(read_file(run + "/log/lead.json"), "needed_seconds");
  BOOST_REQUIRE(needed.size() == 1U);
  wait_for_end("COMPLETED");
  const std::string log = this->log(),
                    start = "warning: the signal comes 2 s before the end of the wall time, but a stop takes";
  BOOST_TEST(log.find(start) < log.find("start 1: "), log);
  BOOST_TEST(log.find(start, log.find("start 1: ")) != std::string::npos, log);
  BOOST_TEST(log.find(fmt::format("--signal=B:USR1@{:g}, or export SBATCH_SIGNAL=", needed[0])) != std::string::npos,
             log);
}

/// Slurm warns at most a minute before the time that is asked for, and looks every half minute.
void submit_for_a_minute(Jobs& jobs) {
  for (const std::unique_ptr<JobFixture>& run : jobs) {
    run->pace = 0.2;
    let_second_start_end(*run);
    run->submit(&run == &jobs.front() ? "srun" : "mpirun", "--time=1 --signal=B:USR1@20");
  }
}

/// Slurm does not tell a job of a --signal on the command line, so the first start believes the script. The warning
/// tells the next one.
void knows_when_it_is_warned(const JobFixture& run) {
  const std::vector<double> leads = metric_values(read_file(run.run + "/log/starts.jsonl"), "lead_seconds");
  BOOST_REQUIRE(leads.size() == 2U);
  BOOST_TEST(leads[0] == 180);
  BOOST_TEST(leads[1] >= 20);
  BOOST_TEST(leads[1] <= 60);
  const std::string history = read_file(run.run + "/log/job-" + run.id + ".history");
  BOOST_TEST(history.find(fmt::format("\n0 warned {:g}\n0 ended 85\n", leads[1])) != std::string::npos, history);
}

EarlyJobs minutes("the_end_of_the_wall_time", 2, submit_for_a_minute);

BOOST_AUTO_TEST_CASE(the_end_of_the_wall_time) {
  for (const std::unique_ptr<JobFixture>& run : minutes.take()) {
    resumes_bit_equal(*run);
    const std::string log = run->log();
    BOOST_TEST(log.find(", start 0: exit code 85\n") != std::string::npos, log);
    BOOST_TEST(log.find("DUE TO TIME LIMIT") == std::string::npos, log);  // the warning was heard
    knows_when_it_is_warned(*run);
  }
}

}  // namespace
}  // namespace tessera::testing
