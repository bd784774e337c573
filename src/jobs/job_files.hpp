// SPDX-License-Identifier: Apache-2.0
// What jobs leave in the folder `log` of a run: slurm/train.sbatch its history, `tessera train --submit` what it
// submitted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::jobs {

/// RUN/log/job-ID.history: the starts of a job. ID is "12", of a task of an array "12_3".
struct JobHistory {
  std::string job;
  std::int64_t num_starts = 0;
  std::int64_t num_crashes = 0;  ///< of those that ended: by any code but 0, 2, 3, 85; and of those before the last one
                                 ///< that have no end
  std::optional<int> last_code;  ///< of the last one, if it has ended
  std::int64_t last_number = 0;  ///< of the last one, SLURM_RESTART_COUNT
};

/// Whether the job script takes this exit code for that of a crash.
bool is_crash(int code);

/// The history from its text: lines "N from STEP" and "N ended CODE"; others, as "N warned SECONDS", are left out.
JobHistory parse_history(const std::string& job, const std::string& text);

/// That of the job of this folder which wrote last.
std::optional<JobHistory> newest_history(const std::string& run_dir);

/// A line of RUN/log/submits.jsonl.
struct Submission {
  double time_seconds = 0;  ///< since 1970
  std::string job;
  std::string script;  ///< path
  std::string output;  ///< of the job, as Slurm will name it
};

/// Throws base::Error if it cannot be written.
void record_submission(const std::string& run_dir, const Submission& submission);
/// Oldest first; empty if there is none. Damaged lines are left out.
std::vector<Submission> read_submissions(const std::string& run_dir);

}  // namespace tessera::jobs
