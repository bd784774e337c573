// SPDX-License-Identifier: Apache-2.0
// Private to this room: the MPI handles behind the public classes, and the check of return codes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mpi.h>
#include <vector>

#include "comm/communicator.hpp"

namespace tessera::comm {

/// Throws base::Error with the operation and MPI's text unless `code` is MPI_SUCCESS.
void check(int code, const char* operation);

struct RequestState {
  std::vector<MPI_Request> parts;  // of a long message, in the order sent
  bool moves = false;              // a part has arrived, so that the others are on their way
};

struct Communicator::Handle {
  MPI_Comm comm = MPI_COMM_NULL;
  ~Handle();
};

/// Tags: users have [0, kReservedTag), collectives the one above.
inline constexpr int kReservedTag = 1 << 14;

// MPI 3.1 counts are int. A round number below INT_MAX, so that parts stay aligned.
inline constexpr std::size_t kMostInOneCall = std::size_t{1} << 30;

/// Calls post(offset, count) for each part of a message of `size` elements; one without elements is one empty part.
template <class Post>
void for_each_part(std::size_t size, Post post) {
  std::size_t offset = 0;
  do {
    const std::size_t count = std::min(size - offset, kMostInOneCall);
    post(offset, static_cast<int>(count));
    offset += count;
  } while (offset < size);
}

}  // namespace tessera::comm
