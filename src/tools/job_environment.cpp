// SPDX-License-Identifier: Apache-2.0
#include "tools/job_environment.hpp"

#include <cstdlib>
#include <optional>

#include "base/units.hpp"
#include "config/option_values.hpp"

namespace tessera::tools {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<double> seconds(const char* name) {
  const std::string value = variable(name);
  if (value.empty()) return {};
  return config::parse_or_refuse(name, value, "seconds, as in 180 (slurm/train.sbatch sets it; else unset it)",
                                 [](const std::string& text) { return base::parse_seconds(text); });
}

}  // namespace

JobEnvironment read_job_environment() {
  JobEnvironment job{variable("SLURM_JOB_ID"), variable("SLURM_RESTART_COUNT"), {}};
  if (!job.job.empty() && job.restarts.empty()) job.restarts = "0";
  job.limits = {seconds("TESSERA_SIGNAL_LEAD"), seconds("TESSERA_KILL_WAIT")};
  return job;
}

std::string node_name(const std::string& host) {
  const std::string node = variable("SLURMD_NODENAME");
  return node.empty() ? host : node;
}

}  // namespace tessera::tools
