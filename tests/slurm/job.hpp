// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/fixture.hpp"
#include "slurm/cluster.hpp"
#include "support/signal_gate.hpp"

namespace tessera::testing {

/// A tiny run under a script of slurm/ on the shared cluster. It would go on for hours and prints no steps. What is not
/// a method is to be set before submit().
struct JobFixture : RunFixture {
  const Cluster* cluster = shared_cluster();
  std::string id;  ///< of the job
  std::string metrics = run + "/metrics.jsonl", log_file = folder / "log";

  /// What sbatch is asked for.
  std::string nodes = std::string("--nodes=2 --ntasks-per-node=1 --exclude=") + Cluster::lost_node;
  std::string environment;              ///< variables of sbatch: "SBATCH_SIGNAL=B:USR1@60 "
  std::string script = "train.sbatch";  ///< of the folder slurm/
  std::string members;                  ///< options of each member of a sweep, a line each; "": no sweep
  std::string alone;                    ///< options that train_alone() has beside its own
  bool as_configured = false;           ///< trains as the configuration says, without the options of this fixture
  std::int64_t total_steps = 1000000;
  int save_interval = 0;            ///< steps between the checkpoints of the job
  double pace = 0;                  ///< seconds that a write takes at least, waiting, so that no core is busy
  std::string paced = metrics;      ///< file or folder whose writes do so: one a step
  std::optional<GateInstant> held;  ///< when a rank is held until a signal comes
  std::string later;    ///< options of "tessera train" behind all others, from the second start of the job on
  std::string instead;  ///< shell text that runs in place of tessera train

  JobFixture() { change_config("log_interval = 1\n", "log_interval = 1000000\n"); }
  /// Cancels the job if it has not ended.
  ~JobFixture();

  /// Submits the job; false if there is no Slurm, so that the test case is to be skipped.
  bool submit(const std::string& launcher, const std::string& sbatch_options = "", const std::string& options = "");
  /// Trains as the job does, but without Slurm.
  ProcessResult train_alone(const std::string& options, int ranks = 2) const {
    return train(this->options(0) + alone + " " + options, ranks);
  }

  /// Replaces a text in the configuration, which each start of the job reads anew.
  void change_config(const std::string& from, const std::string& to) const;

  /// The value of "key=" in what Slurm tells about the job: JobState, Restarts, ExitCode.
  std::string job(const std::string& key) const;
  std::string log() const { return read_file(log_file); }
  std::int64_t newest_checkpoint() const;  ///< its step, 0 if there is none
  std::int64_t num_steps() const { return static_cast<std::int64_t>(metric_values(read_file(metrics), "loss").size()); }

  /// Waits as wait_for does and tells all there is to know about the job if that takes too long.
  void wait_for_job(const std::string& what, double seconds, const std::function<bool()>& condition) const;
  void wait_for_steps(std::int64_t steps) const;
  /// Waits until a rank is held.
  void wait_for_gate() const;
  /// Waits until Slurm has the job for its next start, `restarts` counted.
  void wait_for_requeue(int restarts) const;
  /// Waits for the end of the job in `state`; if it is requeued, it need not wait for two minutes.
  void wait_for_end(const std::string& state) const;

  /// Runs a command of Slurm with the number of the job behind it.
  void ask(const std::string& command) const;
  void kill_rank(int rank) const;
  void kill_script() const;

 private:
  std::string program() const;
  std::string options(int interval) const;
};

}  // namespace tessera::testing
