// SPDX-License-Identifier: Apache-2.0
// Private to this room: the MPI handles behind the public classes, and the check of return codes.
#pragma once

#include <mpi.h>
#include <vector>

#include "comm/communicator.hpp"

namespace tessera::comm {

/// Throws base::Error with the operation and MPI's text unless `code` is MPI_SUCCESS.
void check(int code, const char* operation);

struct RequestState {
  std::vector<MPI_Request> parts;  // a message above INT_MAX bytes is several
};

struct Communicator::Handle {
  MPI_Comm comm = MPI_COMM_NULL;
  ~Handle();
};

/// Tags: users have [0, kReservedTag), collectives the one above.
inline constexpr int kReservedTag = 1 << 14;

}  // namespace tessera::comm
