// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/parse.hpp"
#include "jobs/batch_script.hpp"

namespace tessera::tools {

/// What is to be submitted.
struct SubmittedJob {
  config::Config config;
  std::map<std::string, std::vector<std::string>> flags;
  std::string program, site, folder;  // absolute paths; `folder`: where it is submitted from
  jobs::NodeRange nodes;
  int ranks_per_node = 1;
  std::vector<std::string> hidden;  // names of variables that sbatch must not see: they stand in the script
  std::vector<std::string> shown;   // NAME=VALUE of those of the site that only sbatch itself understands
  jobs::BatchScript script;

  std::string log_folder() const { return config.run.dir + "/log"; }
  bool is_chained() const { return script.options.contains("dependency"); }
  /// Whether it waits for the end of that job, or of all jobs of its name.
  bool follows(const std::string& id) const;
};

/// Reads the command line of `tessera train --submit` and the facts of the site; prints warnings to standard error.
/// Throws base::UsageError for all that the job would refuse, whichever number of nodes it gets. Runs bash, so before
/// MPI starts.
SubmittedJob read_job(const std::vector<std::string>& arguments);

}  // namespace tessera::tools
