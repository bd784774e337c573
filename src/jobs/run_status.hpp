// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/queue.hpp"
#include "jobs/run_facts.hpp"

namespace tessera::jobs {

enum class RunState {
  waiting,   ///< its job waits in the queue for its first start
  requeued,  ///< its job waits for another start
  starting,  ///< the ranks are not there yet, or load
  running,
  suspended,  ///< Slurm stopped its processes
  stopped,    ///< on request or by run.stop_after: it goes on where it is started again
  finished,   ///< run.steps are done
  failed,     ///< and said why
  died,       ///< killed without a word
  unknown,    ///< a job may wait or run for it, but Slurm does not answer
};
const char* name_of(RunState state);

/// What a user asks at night.
struct RunStatus {
  RunState state = RunState::died;
  std::string reason;                  ///< one sentence: why, or since when and where
  std::optional<int> exit_code;        ///< of the last start, if it has ended
  std::vector<std::string> notes;      ///< what else is worth knowing
  std::optional<QueuedJob> job;        ///< that waits or runs for it; else the last one, if Slurm still knows it
  std::int64_t steps = 0;              ///< run.steps; 0 if unknown
  double gflops = 0;                   ///< of the last steps; 0 if unknown
  std::optional<double> matrix_share;  ///< of the rate measured at its start
  std::int64_t num_starts = 0;
  std::optional<std::int64_t> restarts, max_restarts;  ///< after crashes of the job, and its budget
  std::optional<std::int64_t> next_save_step;
  std::optional<double> next_save_seconds;
  std::optional<double> training_seconds;   ///< of pure training that are left, at the speed of the last steps
  std::optional<double> end_time;           ///< since 1970, not counting waits in the queue
  std::optional<std::int64_t> more_starts;  ///< that the time limit of its job makes necessary until the end
};

/// Pure. `now` is in seconds since 1970; `accounted` is how Slurm's accounting says that the job of the last start
/// ended, or "".
RunStatus judge(const RunFacts& run, const Queue& queue, double now, const std::string& accounted = "");

/// Reads the folder and asks Slurm, if any job is known to be the run's. Throws base::UsageError if `dir` is no run
/// folder. Before MPI starts only.
struct Report {
  RunFacts facts;
  RunStatus status;
};
Report look_at_run(const std::string& dir);

/// Tokens of all steps behind `step` up to run.steps. Nothing if the configuration does not tell.
std::optional<double> tokens_left(const config::Config& config, std::int64_t step);

}  // namespace tessera::jobs
