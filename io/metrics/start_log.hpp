// SPDX-License-Identifier: Apache-2.0
// The record of a run's starts: RUN/log/starts.jsonl, which rank 0 of each start writes, and RUN/log/errors-RANK.jsonl,
// to which a rank adds the error that it alone met before it ends the job. A start without an end was killed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::metrics {

/// What is known when a start has locked its run folder. Times are seconds since 1970 by the clock of the host.
struct StartBegin {
  double time_seconds = 0;
  std::string host;  ///< of rank 0
  std::int64_t pid = 0;
  int ranks = 1, nodes = 1;
  std::string job, array_job, array_task;    ///< of Slurm; "" elsewhere
  std::optional<std::int64_t> restart;       ///< SLURM_RESTART_COUNT
  std::optional<std::int64_t> max_restarts;  ///< of the job script: crashes that are followed by another start
  std::optional<std::int64_t> lead_seconds;  ///< of the job: from Slurm's signal to the end of its time
  std::int64_t steps = 0;                    ///< run.steps
  std::string layout, version;
  double gflop_per_token = 0;  ///< forward and backward, causal

  /// As people and squeue name it: "12", of a task of an array "12_3".
  std::string job_id() const { return array_job.empty() ? job : array_job + "_" + array_task; }
};

struct StartEnd {
  double time_seconds = 0;
  int exit_code = 0;
  std::int64_t step = 0;  ///< the last that was done
  std::string error;      ///< "" if there was none
};

/// A start as the record tells it.
struct Start {
  std::int64_t number = 0;  ///< from 1
  StartBegin begin;
  std::optional<std::int64_t> from_step;  ///< of the checkpoint it resumed from, 0 if none; absent while it loads
  std::optional<double> matrix_gflops;    ///< of all ranks together, if it was measured
  std::optional<StartEnd> end;
};

/// The last words of a rank.
struct RankError {
  std::int64_t start = 0;  ///< number of the start
  double time_seconds = 0;
  int rank = 0;
  std::string host;
  std::int64_t pid = 0;
  int exit_code = 1;
  std::int64_t step = 0;
  std::string error;
};

/// Adds to the record of a run folder. Each call adds one line with one write, behind whatever a crash left of the line
/// before. They return what went wrong, "" if nothing did: a record that is not written must not end a run.
class StartLog {
 public:
  explicit StartLog(const std::string& run_dir) : folder_(run_dir + "/log") {}
  /// Makes the folder `log`, and counts the starts before: `number` becomes that of this one.
  std::string begin(const StartBegin& begin, std::int64_t& number) const;
  std::string trains(std::int64_t number, std::int64_t from_step, const std::optional<double>& matrix_gflops) const;
  std::string end(std::int64_t number, const StartEnd& end) const;
  std::string rank_error(const RankError& error) const;

 private:
  std::string folder_;
};

/// The starts of a run, oldest first, and the last words of ranks. Lines that are damaged, or cut as they are being
/// written, are left out; empty if there is no record. Throw nothing.
std::vector<Start> read_starts(const std::string& run_dir);
/// Oldest start first; those of the last start in the order in which they reached the file system, as clocks of hosts
/// may differ by more than the second within which all ranks fail.
std::vector<RankError> read_rank_errors(const std::string& run_dir);

}  // namespace tessera::metrics
