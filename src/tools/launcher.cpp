// SPDX-License-Identifier: Apache-2.0
#include "tools/launcher.hpp"

#include <cstdlib>
#include <fmt/core.h>
#include <string_view>
#include <unistd.h>

namespace tessera::tools {

bool is_started_by_launcher() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE") || std::getenv("PMIX_RANK");
}

namespace {

/// Of this process, or nullptr if no launcher tells.
const char* launched_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* rank = std::getenv(name)) return rank;
  return nullptr;
}

}  // namespace

bool is_first_process() {
  const char* rank = launched_rank();
  if (!rank) rank = std::getenv("SLURM_PROCID");  // a batch script has it, too: 0
  return !rank || std::string_view(rank) == "0";
}

std::string process_name() {
  const char* rank = launched_rank();
  if (!rank) return "";
  char host[256] = {};
  const bool known = ::gethostname(host, sizeof host - 1) == 0;
  return fmt::format("rank {} on {}: ", rank, known ? host : "an unknown host");
}

int num_started_by_launcher() {
  // Ranks of mpirun in a Slurm job have the variables of Slurm, too, which count its daemons: they come last.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"})
    if (const char* size = std::getenv(name)) return std::atoi(size);
  return 1;
}

bool is_in_terminal_of_srun() {
  return std::getenv("SLURM_PTY_PORT") != nullptr;
}

}  // namespace tessera::tools
