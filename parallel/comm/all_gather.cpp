// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>

#include "comm/mpi_check.hpp"

// Both algorithms send each part once to each of the other ranks: (size - 1) * n bytes leave every rank.

namespace tessera::comm {
namespace {

// Up to this size of the result the number of messages costs more than their bytes and the copies.
constexpr std::size_t kFewBytes = std::size_t{64} << 10;

}  // namespace

void Communicator::all_gather_bytes(std::span<const std::byte> mine, std::span<std::byte> all, const char* what) const {
  assert(all.size() == mine.size() * static_cast<std::size_t>(size_));
  if (all.size() <= kFewBytes)
    gather_by_doubling(mine, all, what);
  else
    gather_around_ring(mine, all, what);
}

/// Ring of size - 1 rounds: in round k every rank passes on what it got in round k - 1. Always between neighbours.
void Communicator::gather_around_ring(std::span<const std::byte> mine, std::span<std::byte> all,
                                      const char* what) const {
  const std::size_t n = mine.size();
  const auto part = [&](int rank) { return all.subspan(static_cast<std::size_t>((rank + size_) % size_) * n, n); };
  std::copy(mine.begin(), mine.end(), part(rank_).begin());
  for (int round = 1; round < size_; ++round) {
    Request receive = ireceive_bytes(part(rank_ - round), (rank_ - 1 + size_) % size_, kReservedTag);
    Request send = isend_bytes(part(rank_ - round + 1), (rank_ + 1) % size_, kReservedTag);
    wait(receive, what);
    wait(send, what);
  }
}

/// Bruck et al. 1997, log2(size) rounds: a rank that holds the parts of `held` ranks from itself on passes them to the
/// rank `held` before it. At the end every rank holds all parts, its own first.
void Communicator::gather_by_doubling(std::span<const std::byte> mine, std::span<std::byte> all,
                                      const char* what) const {
  const std::size_t n = mine.size();
  std::vector<std::byte> parts(all.size());
  std::copy(mine.begin(), mine.end(), parts.begin());
  for (int held = 1; held < size_; held *= 2) {
    const auto stretch = [&](int first, int count) {
      return std::span(parts).subspan(static_cast<std::size_t>(first) * n, static_cast<std::size_t>(count) * n);
    };
    const int count = std::min(held, size_ - held);
    Request receive = ireceive_bytes(stretch(held, count), (rank_ + held) % size_, kReservedTag);
    Request send = isend_bytes(stretch(0, count), (rank_ - held + size_) % size_, kReservedTag);
    wait(receive, what);
    wait(send, what);
  }
  std::rotate_copy(parts.begin(), parts.end() - static_cast<std::ptrdiff_t>(static_cast<std::size_t>(rank_) * n),
                   parts.end(), all.begin());
}

}  // namespace tessera::comm
