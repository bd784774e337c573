// SPDX-License-Identifier: Apache-2.0
// A study as Slurm jobs, one for each point.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "scaling/results.hpp"
#include "scaling/study.hpp"

namespace tessera::scaling {

struct SubmitSettings {
  std::string program;           ///< full path of tessera
  std::string site;              ///< of site.env; "" if there is none
  double timeout_seconds = 600;  ///< of one run
  std::vector<std::string> sbatch_options;
  std::function<void(const std::string& line)> tell = [](const std::string&) {};
};

/// The text of slurm/scaling.sbatch, as it was when this program was built.
const char* scaling_job_script();

/// Queues a job for each point that lacks results, has not failed and is not queued yet; the job makes all repeats that
/// are missing. Returns the number of jobs. Throws base::Error with what sbatch had to say, or if squeue cannot tell.
std::int64_t submit_study(const Study& study, const Folder& folder, const SubmitSettings& settings);

/// Points that lack results, and have not failed, by the jobs they were queued as.
struct OpenJobs {
  std::vector<std::string> waiting;  ///< jobs that wait or run, all of them if Slurm could not be asked
  std::vector<std::string> ended;    ///< that left results missing
  std::string problem;               ///< why Slurm could not be asked; "" if it was
};
/// Asks Slurm once for all jobs. Before MPI starts.
OpenJobs open_jobs(const Study& study, const Folder& folder);
/// Keeps that jobs among `ended` were lost, for points that still lack results when looked at anew.
void settle_jobs(const Study& study, const Folder& folder, const std::vector<std::string>& ended);

struct WaitSettings {
  double look_seconds = 3;    ///< between looks for results
  double queue_seconds = 30;  ///< between questions to Slurm, whose controller serves the whole cluster
  double grace_seconds = 60;  ///< from a job's end until results that cannot be seen count as lost, as NFS may be late
  std::function<bool()> stop_requested = [] { return false; };
  std::function<void(const std::string& warning)> warn = [](const std::string&) {};
};
/// Waits until every point has its results, has failed or has lost its job; while Slurm cannot be asked it goes on
/// waiting. Returns the jobs that were left when it was asked to stop.
std::vector<std::string> wait_for_jobs(const Study& study, const Folder& folder, const WaitSettings& settings);

/// The job of one point. Pure.
jobs::BatchJob job_of(const Study& study, const Point& point, const Folder& folder, const SubmitSettings& settings);

}  // namespace tessera::scaling
