// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/weight_gather.hpp"

#include "data_parallel/packing.hpp"

namespace tessera::data_parallel {
namespace {

struct Gather {
  const comm::Communicator& group;
  const std::vector<SyncTensor>& tensors;
  const std::vector<Phase>& phases;

  /// One bucket on its way.
  struct Flight {
    const Bucket* bucket = nullptr;
    std::vector<std::span<std::byte>> memory;  // [ranks] the weights of a part as one stretch of memory
    int tag = 0;
    std::vector<comm::Request> messages;  // of the current phase
  };

  /// Where a part lies if that is one piece, else its place in the slot.
  std::span<std::byte> memory_of(const std::vector<Piece>& part, std::byte* packed) const {
    const std::size_t bytes = weight_bytes(tensors, part);
    if (part.size() != 1) return {packed, bytes};
    const tensor::View weight = stretch(tensors[part[0].tensor].weight, part[0].first, part[0].size);
    return {static_cast<std::byte*>(weight.data()), bytes};
  }

  void post(Flight& flight, const Phase& phase) const {
    const auto memory = [&](const Message& message) { return flight.memory[static_cast<std::size_t>(message.part)]; };
    for (const Message& message : phase.receives)
      if (!memory(message).empty())
        flight.messages.push_back(group.ireceive(memory(message), message.peer, flight.tag));
    for (const Message& message : phase.sends)
      if (!memory(message).empty())
        flight.messages.push_back(group.isend(std::span<const std::byte>(memory(message)), message.peer, flight.tag));
  }

  void wait(Flight& flight) const {
    for (comm::Request& message : flight.messages) group.wait(message, "weights of their owners");
    flight.messages.clear();
  }

  Flight start(const Bucket& bucket, std::byte* slot, int tag) const {
    Flight flight{&bucket, {}, tag, {}};
    for (const std::vector<Piece>& part : bucket.parts) {
      flight.memory.push_back(memory_of(part, slot));
      slot += weight_bytes(tensors, part);
    }
    const std::vector<Piece>& mine = bucket.part(group.rank());
    if (mine.size() > 1) pack_weights(tensors, mine, flight.memory[static_cast<std::size_t>(group.rank())]);
    post(flight, phases.front());
    return flight;
  }

  /// Ranks complete buckets in one order, so whoever is last finds all that he waits for sent or about to be sent.
  void complete(Flight& flight) const {
    wait(flight);
    for (std::size_t i = 1; i < phases.size(); ++i) {
      post(flight, phases[i]);
      wait(flight);
    }
    for (int owner = 0; owner < group.size(); ++owner)
      if (const auto& part = flight.bucket->part(owner); owner != group.rank() && part.size() > 1)
        unpack_weights(tensors, part, flight.memory[static_cast<std::size_t>(owner)]);
  }
};

}  // namespace

void gather_weights(const comm::Communicator& group, const std::vector<SyncTensor>& tensors,
                    const std::vector<Bucket>& buckets, const std::vector<Phase>& phases,
                    std::span<std::byte* const> slots, int first_tag) {
  const Gather gather{group, tensors, phases};
  std::vector<Gather::Flight> flights(slots.size());
  for (std::size_t i = 0; i < buckets.size() + slots.size(); ++i) {
    const std::size_t slot = i % slots.size();
    if (i >= slots.size()) gather.complete(flights[slot]);
    if (i < buckets.size())
      flights[slot] = gather.start(buckets[i], slots[slot], first_tag + 2 * static_cast<int>(slot));
  }
}

}  // namespace tessera::data_parallel
