// SPDX-License-Identifier: Apache-2.0
// A signal that comes to a job in the middle of a step, an evaluation or a save, or twice: the job saves, is requeued,
// and ends with every line of metrics and every bit of the weights of a run that never stopped.
#include <memory>
#include <vector>

#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

struct Instant {
  std::string name, options;
  GateInstant gate;         ///< its log is the metrics file
  std::string ask;          ///< command that sends the signal
  std::int64_t saved_step;  ///< that the job goes on from
};

/// Rank 1 is held, which is the one that scancel reaches under mpirun; and rank 0 where the batch shell hands the
/// signal on to all.
const std::string kSteps = "scancel --signal=TERM", kShell = "scancel --batch --signal=USR1";
const std::vector<Instant> kInstants = {
    {"in a step of a pipeline",
     "--parallel.pipeline=2 --optim.batch=16 --optim.micro_batch=1 --checkpoint.interval=0",
     {.call = "product", .lines = 2, .count = 100, .rank = 1},
     kSteps,
     3},
    {"in an evaluation",
     "--data.valid_fraction=0.4",
     {.call = "product", .lines = 4, .count = 25, .rank = 1},
     kSteps,
     4},
    {"in a save",
     "--checkpoint.async=false --run.eval_interval=0",
     {.call = "write", .file = "step-00000004.h5.tmp", .count = 3, .rank = 1},
     kSteps,
     4},
    {"twice", "", {.call = "product", .lines = 2, .rank = 0, .signals = 2}, kShell, 3},
};

class StoppedJob {
 public:
  StoppedJob(const Instant& instant, const std::string& launcher) : instant_(instant) {
    run_.as_configured = true;
    run_.held = instant.gate;
    if (instant.gate.call == "product") run_.held->log = run_.metrics;
    run_.submit(launcher, "--time=60", instant.options);
  }

  void signal() {
    BOOST_TEST_CONTEXT(instant_.name) {
      run_.wait_for_gate();
      run_.ask(instant_.ask);
      if (instant_.gate.signals == 1) return;
      // Of two that come before one is taken, only one is seen.
      run_.wait_for_job("request to stop", 120,
                        [&] { return run_.log().find("stop requested (") != std::string::npos; });
      run_.ask(instant_.ask);
    }
  }

  void expect_saved() {
    BOOST_TEST_CONTEXT(instant_.name) {
      run_.wait_for_requeue(1);
      BOOST_TEST(run_.log().find(", start 0: exit code 85\n") != std::string::npos, run_.log());
      BOOST_TEST(run_.newest_checkpoint() == instant_.saved_step);
      BOOST_TEST(run_.num_steps() == instant_.saved_step);
      BOOST_TEST(read_file(run_.metrics).find("valid") == std::string::npos);
    }
  }

  void expect_undisturbed_end() {
    BOOST_TEST_CONTEXT(instant_.name) {
      run_.wait_for_end("COMPLETED");
      BOOST_TEST(run_.job("Restarts") == "1");
      BOOST_TEST(run_.log().find(fmt::format("(step {})\n", instant_.saved_step)) != std::string::npos, run_.log());
      const std::string whole = run_.folder / "whole", last = "/checkpoints/step-00000008.h5";
      const ProcessResult undisturbed = run_.train_alone(instant_.options + " --run.dir=" + shell_quoted(whole));
      BOOST_REQUIRE_MESSAGE(undisturbed.exit_code == 0, undisturbed.errors);
      BOOST_TEST(comparable_metrics(run_.metrics) == comparable_metrics(whole + "/metrics.jsonl"),
                 boost::test_tools::per_element());
      // A signal of a user an hour before the end tells nothing of when Slurm's comes.
      const std::string starts = read_file(run_.run + "/log/starts.jsonl");
      BOOST_TEST(metric_values(starts, "lead_seconds") == (std::vector<double>{180, 180}), starts);
      BOOST_TEST((tensors(run_.run + last) == tensors(whole + last)));
    }
  }

 private:
  const Instant& instant_;
  JobFixture run_;
};

/// All at once: they wait for Slurm more than they compute.
void stop_at_each_instant(const std::string& launcher) {
  if (!cluster_or_skip()) return;
  std::vector<std::unique_ptr<StoppedJob>> jobs;
  for (const Instant& instant : kInstants) jobs.push_back(std::make_unique<StoppedJob>(instant, launcher));
  for (const auto& job : jobs) job->signal();
  for (const auto& job : jobs) job->expect_saved();
  for (const auto& job : jobs) job->expect_undisturbed_end();
}

BOOST_AUTO_TEST_CASE(a_signal_at_each_instant_under_srun) {
  stop_at_each_instant("srun");
}

BOOST_AUTO_TEST_CASE(a_signal_at_each_instant_under_mpirun) {
  stop_at_each_instant("mpirun");
}

}  // namespace
}  // namespace tessera::testing
