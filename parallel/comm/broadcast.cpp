// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "comm/mpi_check.hpp"

namespace tessera::comm {

/// Binomial tree: after round k, 2^k ranks hold the data.
void Communicator::broadcast_bytes(std::span<std::byte> data, int root, const char* what) const {
  const int place = (rank_ - root + size_) % size_;  // the root is place 0
  const auto rank_at = [&](int p) { return (p + root) % size_; };
  int bit = 1;
  while (bit <= place) bit *= 2;  // the round after this rank was served
  if (place > 0) {
    Request receive = ireceive_bytes(data, rank_at(place - bit / 2), kReservedTag);
    wait(receive, what);
  }
  std::vector<Request> sends;
  for (; place + bit < size_; bit *= 2) sends.push_back(isend_bytes(data, rank_at(place + bit), kReservedTag));
  for (Request& send : sends) wait(send, what);
}

}  // namespace tessera::comm
