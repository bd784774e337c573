// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "train/lead_time.hpp"

namespace tessera::tools {

/// What Slurm and slurm/train.sbatch tell in the environment.
struct JobEnvironment {
  std::string job, restarts;  ///< SLURM_JOB_ID, and SLURM_RESTART_COUNT or 0; "" outside of a job
  train::StopLimits limits;   ///< TESSERA_SIGNAL_LEAD and TESSERA_KILL_WAIT, in seconds
};

/// Throws base::UsageError naming the variable and the rule if it holds no time.
JobEnvironment read_job_environment();

/// What Slurm calls the node of this process, else `host`: nodes of a cluster on one machine share a host name.
std::string node_name(const std::string& host);

}  // namespace tessera::tools
