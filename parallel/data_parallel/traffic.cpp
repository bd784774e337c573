// SPDX-License-Identifier: Apache-2.0
// What a step sends, and what it needs to do so, foreseen.
#include <cassert>

#include "data_parallel/buckets.hpp"
#include "data_parallel/gradient_sync.hpp"
#include "data_parallel/phases.hpp"

namespace tessera::data_parallel {

std::size_t GradientSync::buffer_bytes(const std::vector<SyncTensor>& tensors, int ranks,
                                       const SyncSettings& settings) {
  if (ranks == 1) return 0;
  const SlotRoom room = slot_room(cut_buckets(tensors, ranks, settings), tensors, ranks, settings);
  return room.count * room.slot_bytes;
}

namespace {

/// Bytes of all messages of a step that `counts(peer)`.
template <class Counts>
std::uint64_t step_bytes(const std::vector<SyncTensor>& tensors, int ranks, int rank, const SyncSettings& settings,
                         std::int64_t num_reductions, Counts counts) {
  if (ranks == 1) return 0;
  const std::uint64_t element = base::size_bytes(wire_type(settings)), others = static_cast<std::uint64_t>(ranks) - 1;
  const std::vector<Phase> sums = sum_phases(ranks, settings.ranks_per_node, rank);
  const std::vector<Phase> gathers = gather_phases(ranks, settings.ranks_per_node, rank);
  const auto sent = [&](const std::vector<Phase>& phases, auto part_bytes) {
    std::uint64_t bytes = 0;
    for (const Phase& phase : phases)
      for (const Message& message : phase.sends)
        if (counts(message.peer)) bytes += part_bytes(message.part);
    return bytes;
  };
  std::uint64_t reduction = 0, weights = 0;
  const std::vector<Bucket> buckets = cut_buckets(tensors, ranks, settings);
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const Bucket& bucket = buckets[i];
    const auto wire_bytes = [&](int part) { return static_cast<std::uint64_t>(bucket.part_size(part)) * element; };
    if (settings.zero > 0) weights += sent(gathers, [&](int part) { return weight_bytes(tensors, bucket.part(part)); });
    if (settings.fault == base::Fault::gradient_bucket && i == 0) continue;
    if (settings.mpi_reduce) {  // as Communicator::iall_reduce counts
      reduction += 2 * others * static_cast<std::uint64_t>(bucket.size()) * element / (others + 1);
      continue;
    }
    reduction += sent(sums, wire_bytes);
    if (settings.zero == 0) reduction += sent(gathers, wire_bytes);
  }
  return static_cast<std::uint64_t>(num_reductions) * reduction + weights;
}

}  // namespace

std::uint64_t bytes_per_step(const std::vector<SyncTensor>& tensors, int ranks, int rank, const SyncSettings& settings,
                             std::int64_t num_reductions) {
  return step_bytes(tensors, ranks, rank, settings, num_reductions, [](int) { return true; });
}

std::uint64_t network_bytes_per_step(const std::vector<SyncTensor>& tensors, int ranks, int rank,
                                     const SyncSettings& settings, std::int64_t num_reductions, int node_size) {
  assert(!settings.mpi_reduce && node_size > 0);
  return step_bytes(tensors, ranks, rank, settings, num_reductions,
                    [&](int peer) { return peer / node_size != rank / node_size; });
}

}  // namespace tessera::data_parallel
