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
/// are missing. Returns the number of jobs. Throws base::Error with what sbatch had to say.
std::int64_t submit_study(const Study& study, const Folder& folder, const SubmitSettings& settings);

/// Points whose job is over though results are missing get a failure that names it. Returns the points that still wait
/// for a job. Throws base::Error if squeue cannot tell.
std::int64_t settle_jobs(const Study& study, const Folder& folder);

/// The job of one point. Pure.
jobs::BatchJob job_of(const Study& study, const Point& point, const Folder& folder, const SubmitSettings& settings);

}  // namespace tessera::scaling
