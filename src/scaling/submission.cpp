// SPDX-License-Identifier: Apache-2.0
#include "scaling/submission.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fmt/core.h>
#include <map>
#include <thread>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "base/stopwatch.hpp"
#include "jobs/batch_script.hpp"
#include "jobs/queue.hpp"

namespace tessera::scaling {
namespace {

using base::Clock;

/// The first repeat without a result of a point that has not failed; 0 if there is none.
std::int64_t first_missing(const Study& study, const Folder& folder, const Point& point) {
  if (!point.refused.empty() || folder.loss(point)) return 0;
  for (std::int64_t repeat = 1; repeat <= study.question.num_repeats; ++repeat) {
    const std::optional<Result> result = folder.result(point, repeat);
    if (!result) return repeat;
    if (!result->failure.empty()) return 0;
  }
  return 0;
}

/// Of points that lack results and have not failed.
std::vector<std::string> jobs_of_open_points(const Study& study, const Folder& folder) {
  std::vector<std::string> jobs;
  for (const Point& point : study.points)
    if (const std::string id = folder.job(point); !id.empty() && first_missing(study, folder, point) != 0)
      jobs.push_back(id);
  return jobs;
}

bool is_among(const std::string& job, const std::vector<std::string>& jobs) {
  return std::find(jobs.begin(), jobs.end(), job) != jobs.end();
}

/// What the job of a point prints, without the job's number at its end.
std::string log_prefix(const Folder& folder, const Point& point) {
  return fmt::format("{}/log/{}-", folder.path(), point.name);
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
  job.log = jobs::sbatch_file_name(log_prefix(folder, point)) + "%j.out";
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
  const OpenJobs open = open_jobs(study, folder);
  if (!open.problem.empty())
    base::fail("it cannot be told which points are queued already: {}. Try again when `squeue` answers", open.problem);
  std::int64_t num_jobs = 0;
  for (const Point& point : study.points) {
    if (first_missing(study, folder, point) == 0) continue;
    if (is_among(folder.job(point), open.waiting)) continue;
    const std::string id = jobs::submit(job_of(study, point, folder, settings), settings.site);
    folder.keep_job(point, id);
    settings.tell(fmt::format("job {}: {}", id, point.name));
    ++num_jobs;
  }
  return num_jobs;
}

OpenJobs open_jobs(const Study& study, const Folder& folder) {
  OpenJobs open;
  open.waiting = jobs_of_open_points(study, folder);
  const jobs::Queue queue = jobs::look_into_queue(open.waiting);
  open.problem = queue.problem;
  if (!open.problem.empty()) return open;
  const auto is_active = [&](const std::string& id) {
    return std::any_of(queue.jobs.begin(), queue.jobs.end(),
                       [&](const jobs::QueuedJob& job) { return job.id == id && job.is_active(); });
  };
  const auto ended = std::stable_partition(open.waiting.begin(), open.waiting.end(), is_active);
  open.ended.assign(ended, open.waiting.end());
  open.waiting.erase(ended, open.waiting.end());
  return open;
}

void settle_jobs(const Study& study, const Folder& folder, const std::vector<std::string>& ended) {
  for (const Point& point : study.points) {
    const std::string id = folder.job(point);
    if (!is_among(id, ended)) continue;
    folder.look_anew(point);
    const std::int64_t repeat = first_missing(study, folder, point);
    if (repeat != 0)
      folder.keep_loss(point, id,
                       fmt::format("job {} ended without a result of run {}: see '{}{}.out'", id, repeat,
                                   log_prefix(folder, point), id));
  }
}

std::vector<std::string> wait_for_jobs(const Study& study, const Folder& folder, const WaitSettings& settings) {
  std::map<std::string, Clock::time_point> ended_at;
  OpenJobs open = open_jobs(study, folder);
  Clock::time_point asked = Clock::now();
  std::string told;
  for (;;) {
    if (open.problem != told && !open.problem.empty())
      settings.warn(open.problem + ": jobs are waited for until it tells of them");
    told = open.problem;
    std::vector<std::string> lost;
    for (const std::string& id : open.waiting) ended_at.erase(id);  // requeued
    for (const std::string& id : open.ended)
      if (base::seconds_since(ended_at.try_emplace(id, Clock::now()).first->second) >= settings.grace_seconds)
        lost.push_back(id);
    settle_jobs(study, folder, lost);
    // Results that came need no question to Slurm.
    std::vector<std::string> left = jobs_of_open_points(study, folder);
    if (left.empty()) return {};
    for (const Clock::time_point start = Clock::now(); base::seconds_since(start) < settings.look_seconds;) {
      if (settings.stop_requested()) return left;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    if (base::seconds_since(asked) < settings.queue_seconds) continue;
    open = open_jobs(study, folder);
    asked = Clock::now();
  }
}

}  // namespace tessera::scaling
