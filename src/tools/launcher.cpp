// SPDX-License-Identifier: Apache-2.0
#include "tools/launcher.hpp"

#include <cstdlib>
#include <string_view>

namespace tessera::tools {

bool is_started_by_launcher() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE") || std::getenv("PMIX_RANK");
}

bool is_first_process() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* rank = std::getenv(name)) return std::string_view(rank) == "0";
  return true;
}

}  // namespace tessera::tools
