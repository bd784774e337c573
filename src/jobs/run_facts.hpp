// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "jobs/job_files.hpp"
#include "metrics/start_log.hpp"
#include "train/run_lock.hpp"

namespace tessera::jobs {

/// What the last lines of metrics.jsonl say.
struct Progress {
  std::int64_t step = 0;                               ///< the last one; 0 if there is none
  std::int64_t tokens = 0;                             ///< seen up to it
  double loss = 0;                                     ///< of it
  double tokens_per_second = 0, seconds_per_step = 0;  ///< medians of up to 20 last steps; 0 if there is none
  bool is_of_this_start = true;                        ///< they are; else of the one before, as this one has none yet
  std::optional<std::int64_t> valid_step;
  double valid_loss = 0, bits_per_byte = 0;
  double age_seconds = 0;  ///< since the file was written
};

struct NewestCheckpoint {
  std::string path;
  std::int64_t step = 0;
  double time_seconds = 0;  ///< since 1970
  bool is_saving = false;   ///< another one is being written
  bool was_cut = false;     ///< a save was cut off, and left a temporary file
};

/// What stands in a run folder. Files that are missing, cut or damaged leave their part empty.
struct RunFacts {
  std::string dir;
  std::optional<config::Config> config;
  std::string config_problem;  ///< why there is none: damaged, or of a version with other keys
  Progress progress;
  std::optional<NewestCheckpoint> checkpoint;
  std::vector<metrics::Start> starts;
  std::vector<metrics::RankError> errors;  ///< in the order of metrics::read_rank_errors
  std::optional<train::LockSight> lock;
  std::vector<std::string> closed;  ///< parts of the folder that this user may not read, "log"
  std::vector<Submission> submissions;
  std::optional<JobHistory> history;

  const metrics::Start* last_start() const { return starts.empty() ? nullptr : &starts.back(); }
  /// Jobs of Slurm that may wait or run for it, each once.
  std::vector<std::string> jobs() const;
};

/// Whether anything there is of a training, or of a job that was submitted for one.
bool is_run_folder(const std::string& dir);

/// Reads the folder while a training may write it: of long files the end only. Throws base::UsageError if it is no run
/// folder, saying what is missing.
RunFacts read_run(const std::string& dir);

/// Of the lines of a metrics file whose steps are behind `from_step`, else of all.
Progress progress_of(const std::vector<std::string>& lines, std::int64_t from_step);

}  // namespace tessera::jobs
