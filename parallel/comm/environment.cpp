// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <sstream>

#include "base/error.hpp"
#include "comm/mpi_check.hpp"

namespace tessera::comm {

void check(int code, const char* operation) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
  base::fail("{} failed: {}", operation, std::string(text, static_cast<std::size_t>(length)));
}

namespace {

/// What comes before the first comma (Open MPI) of the first line (MPICH, which lists how it was built), without
/// MPICH's "Version:" and tabs.
std::string name_of_library(const std::string& text) {
  std::istringstream line(text.substr(0, text.find_first_of(",\n")));
  std::string name;
  for (std::string word; line >> word;)
    if (word != "Version:") name += (name.empty() ? "" : " ") + word;
  return name;
}

}  // namespace

Environment::Environment(int& argc, char**& argv) {
  int provided = 0;
  check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED) base::fail("this MPI library does not support threads (MPI_THREAD_FUNNELED)");
}

Environment::~Environment() {
  // An error that only this rank met must end in Communicator::abort, or this would wait for the others for ever.
  const int code = MPI_Finalize();
  if (code != MPI_SUCCESS) fmt::print(stderr, "warning: MPI_Finalize returned {}\n", code);
}

std::string Environment::library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0, major = 0, minor = 0;
  check(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  check(MPI_Get_version(&major, &minor), "MPI_Get_version");
  return fmt::format("{} (MPI {}.{})", name_of_library({text, static_cast<std::size_t>(length)}), major, minor);
}

}  // namespace tessera::comm
