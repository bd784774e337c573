// SPDX-License-Identifier: Apache-2.0
// What a step sends, and what it needs to do so, foreseen.
#include "data_parallel/buckets.hpp"
#include "data_parallel/gradient_sync.hpp"

namespace tessera::data_parallel {

std::size_t GradientSync::buffer_bytes(const std::vector<SyncTensor>& tensors, int ranks,
                                       const SyncSettings& settings) {
  if (ranks == 1) return 0;
  const SlotRoom room = slot_room(cut_buckets(tensors, ranks, settings), tensors, ranks, settings);
  return room.count * room.slot_bytes;
}

std::uint64_t bytes_per_step(const std::vector<SyncTensor>& tensors, int ranks, int rank, const SyncSettings& settings,
                             std::int64_t num_reductions) {
  if (ranks == 1) return 0;
  const auto num_ranks = static_cast<std::uint64_t>(ranks), others = num_ranks - 1;
  const std::uint64_t element = base::size_bytes(wire_type(settings));
  std::uint64_t reduction = 0, weights = 0;
  const std::vector<Bucket> buckets = cut_buckets(tensors, ranks, settings);
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (settings.zero > 0) weights += others * weight_bytes(tensors, buckets[i].part(rank));
    if (settings.fault == base::Fault::gradient_bucket && i == 0) continue;
    const auto all = static_cast<std::uint64_t>(buckets[i].size()) * element;
    const auto own = static_cast<std::uint64_t>(buckets[i].part_size(rank)) * element;
    if (settings.mpi_reduce)
      reduction += 2 * others * all / num_ranks;  // as Communicator::iall_reduce counts
    else
      reduction += all - own + (settings.zero == 0 ? others * own : 0);
  }
  return static_cast<std::uint64_t>(num_reductions) * reduction + weights;
}

}  // namespace tessera::data_parallel
