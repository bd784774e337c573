// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>

#include "comm/mpi_check.hpp"

namespace tessera::comm {

/// Ring: in round k every rank passes on what it got in round k - 1.
void Communicator::all_gather_bytes(std::span<const std::byte> mine, std::span<std::byte> all, const char* what) const {
  const std::size_t n = mine.size();
  assert(all.size() == n * static_cast<std::size_t>(size_));
  const auto part = [&](int rank) { return all.subspan(static_cast<std::size_t>((rank + size_) % size_) * n, n); };
  std::copy(mine.begin(), mine.end(), part(rank_).begin());
  for (int round = 1; round < size_; ++round) {
    Request receive = ireceive_bytes(part(rank_ - round), (rank_ - 1 + size_) % size_, kReservedTag);
    Request send = isend_bytes(part(rank_ - round + 1), (rank_ + 1) % size_, kReservedTag);
    wait(receive, what);
    wait(send, what);
  }
}

}  // namespace tessera::comm
