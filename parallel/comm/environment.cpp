// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

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
  const std::string full(text, static_cast<std::size_t>(length));
  return fmt::format("{} (MPI {}.{})", full.substr(0, full.find(',')), major, minor);
}

}  // namespace tessera::comm
