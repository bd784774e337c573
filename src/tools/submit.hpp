// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/parse.hpp"

namespace tessera::tools {

/// The flags of `tessera train`: its own, and those of --submit.
const std::vector<config::Flag>& train_flags();

/// `tessera train --submit`: checks the configuration for the ranks of the job, writes its script into the run folder
/// and submits it; with --dry-run only shows both. Nothing if --submit is not among the arguments. Runs programs, so
/// before MPI starts. Throws base::UsageError for what the job would refuse and for a run folder in use, base::Error if
/// sbatch refuses the job.
std::optional<base::ExitCode> submit_training(const std::vector<std::string>& arguments);

/// Throws base::UsageError if flags that need --submit are given without it.
void require_no_submit_flags(const std::map<std::string, std::vector<std::string>>& flags);

}  // namespace tessera::tools
