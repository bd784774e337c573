// SPDX-License-Identifier: Apache-2.0
#include "tools/launcher.hpp"

#include <cstdlib>
#include <string_view>

namespace tessera::tools {

bool is_started_by_launcher() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE") || std::getenv("PMIX_RANK");
}

bool is_first_process() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"})
    if (const char* rank = std::getenv(name)) return std::string_view(rank) == "0";
  return true;
}

int num_started_by_launcher() {
  // Ranks of mpirun in a Slurm job have the variables of Slurm, too, which count its daemons: they come last.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"})
    if (const char* size = std::getenv(name)) return std::atoi(size);
  return 1;
}

}  // namespace tessera::tools
