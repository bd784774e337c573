// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi_check.hpp"

namespace tessera::comm {

/// Dissemination barrier (Hensgen, Finkel & Manber 1988): log2(size) rounds of empty messages.
void Communicator::barrier(const char* what) const {
  for (int distance = 1; distance < size_; distance *= 2) {
    Request receive = ireceive_bytes({}, (rank_ - distance + size_) % size_, kReservedTag);
    Request send = isend_bytes({}, (rank_ + distance) % size_, kReservedTag);
    wait(receive, what);
    wait(send, what);
  }
}

}  // namespace tessera::comm
