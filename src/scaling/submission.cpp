// SPDX-License-Identifier: Apache-2.0
#include "scaling/submission.hpp"

#include <filesystem>
#include <fmt/core.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"

namespace tessera::scaling {
namespace {

/// The first repeat without a result of a point that has not failed; 0 if there is none.
std::int64_t first_missing(const Study& study, const Folder& folder, const Point& point) {
  if (!point.refused.empty()) return 0;
  for (std::int64_t repeat = 1; repeat <= study.question.num_repeats; ++repeat) {
    const std::optional<Result> result = folder.result(point, repeat);
    if (!result) return repeat;
    if (!result->failure.empty()) return 0;
  }
  return 0;
}

std::string log_path(const Folder& folder, const Point& point, const std::string& job) {
  return fmt::format("{}/log/{}-{}.out", folder.path(), point.name, job);
}

}  // namespace

jobs::BatchJob job_of(const Study& study, const Point& point, const Folder& folder, const SubmitSettings& settings) {
  const jobs::Launch shape = launch_of(study.question, point, {});
  jobs::BatchJob job;
  job.words = {folder.path() + "/scaling.sbatch",
               "--output",
               folder.path(),
               "--only",
               point.name,
               fmt::format("--timeout={}", settings.timeout_seconds)};
  // One name for all, so that --dependency=singleton runs them one after the other.
  job.name = "scale-" + std::filesystem::path(folder.path()).filename().string();
  job.log = log_path(folder, point, "%j");
  job.nodes = shape.nodes();
  job.ranks_per_node = shape.ranks_on_a_node();
  job.threads = point.threads;
  job.sbatch_options = settings.sbatch_options;
  job.environment = {"TESSERA_BINARY=" + settings.program, "TESSERA_SITE=" + settings.site};
  return job;
}

std::int64_t submit_study(const Study& study, const Folder& folder, const SubmitSettings& settings) {
  std::error_code error;
  std::filesystem::create_directories(folder.path() + "/log", error);
  if (error) base::fail_system("folder '{}/log' cannot be made: {}", folder.path(), error.message());
  base::replace_file(folder.path() + "/scaling.sbatch", scaling_job_script());
  std::int64_t num_jobs = 0;
  for (const Point& point : study.points) {
    if (first_missing(study, folder, point) == 0) continue;
    const std::string before = folder.job(point);
    if (!before.empty() && jobs::is_active(before)) continue;
    const std::string id = jobs::submit(job_of(study, point, folder, settings), settings.site);
    folder.keep_job(point, id);
    settings.tell(fmt::format("job {}: {}", id, point.name));
    ++num_jobs;
  }
  return num_jobs;
}

std::int64_t settle_jobs(const Study& study, const Folder& folder) {
  std::int64_t num_waiting = 0;
  for (const Point& point : study.points) {
    const std::string id = folder.job(point);
    if (id.empty() || first_missing(study, folder, point) == 0) continue;
    if (jobs::is_active(id)) {
      ++num_waiting;
      continue;
    }
    // Asked again: the last result may have come before the job went.
    const std::int64_t repeat = first_missing(study, folder, point);
    if (repeat == 0) continue;
    RunEnd lost;
    lost.failure =
        fmt::format("job {} ended without a result of run {}: see '{}'", id, repeat, log_path(folder, point, id));
    folder.keep_result(point, repeat, lost);
  }
  return num_waiting;
}

}  // namespace tessera::scaling
