// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/weight_gather.hpp"

#include <algorithm>

#include "data_parallel/packing.hpp"

namespace tessera::data_parallel {
namespace {

struct Gather {
  const comm::Communicator& group;
  const std::vector<SyncTensor>& tensors;

  /// The weights of a part as one stretch of memory: where they lie if that is one piece, else in the slot.
  std::span<std::byte> memory_of(const std::vector<Piece>& part, std::byte* packed) const {
    const std::size_t bytes = weight_bytes(tensors, part);
    if (part.size() != 1) return {packed, bytes};
    const tensor::View weight = stretch(tensors[part[0].tensor].weight, part[0].first, part[0].size);
    return {static_cast<std::byte*>(weight.data()), bytes};
  }

  /// Calls f(rank, part, its memory) for each rank that owns some of the bucket.
  template <class Function>
  void for_each_part(const Bucket& bucket, std::byte* slot, Function f) const {
    for (int rank = 0; rank < group.size(); ++rank) {
      const std::vector<Piece>& part = bucket.part(rank);
      if (!part.empty()) f(rank, part, memory_of(part, slot));
      slot += weight_bytes(tensors, part);
    }
  }

  std::vector<comm::Request> start(const Bucket& bucket, std::byte* slot, int tag) const {
    std::vector<comm::Request> messages;
    for_each_part(bucket, slot, [&](int owner, const std::vector<Piece>& part, std::span<std::byte> memory) {
      if (owner != group.rank()) {
        messages.push_back(group.ireceive(memory, owner, tag));
        return;
      }
      if (part.size() > 1) pack_weights(tensors, part, memory);
      for (int step = 1; step < group.size(); ++step)
        messages.push_back(group.isend(std::span<const std::byte>(memory), (owner + step) % group.size(), tag));
    });
    return messages;
  }

  void complete(const Bucket& bucket, std::byte* slot, std::vector<comm::Request>& messages) const {
    for (comm::Request& message : messages) group.wait(message, "weights of their owners");
    messages.clear();
    for_each_part(bucket, slot, [&](int owner, const std::vector<Piece>& part, std::span<std::byte> memory) {
      if (owner != group.rank() && part.size() > 1) unpack_weights(tensors, part, memory);
    });
  }
};

}  // namespace

void gather_weights(const comm::Communicator& group, const std::vector<SyncTensor>& tensors,
                    const std::vector<Bucket>& buckets, std::span<std::byte* const> slots, int first_tag) {
  const Gather gather{group, tensors};
  std::vector<std::vector<comm::Request>> messages(slots.size());
  for (std::size_t i = 0; i < buckets.size() + slots.size(); ++i) {
    const std::size_t slot = i % slots.size();
    if (i >= slots.size()) gather.complete(buckets[i - slots.size()], slots[slot], messages[slot]);
    if (i < buckets.size())
      messages[slot] = gather.start(buckets[i], slots[slot], first_tag + 2 * static_cast<int>(slot));
  }
}

}  // namespace tessera::data_parallel
