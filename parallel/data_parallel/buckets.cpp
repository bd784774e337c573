// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/buckets.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "tensor/arena.hpp"

namespace tessera::data_parallel {
namespace {

constexpr std::int64_t kFloatBytes = sizeof(float);
constexpr std::size_t kFewestSlots = 4, kMostSlots = 64, kPoolBytes = std::size_t{64} << 20;

std::size_t aligned(std::size_t bytes) {
  constexpr std::size_t step = tensor::Arena::alignment_bytes;
  return (bytes + step - 1) / step * step;
}

class Cutter {
 public:
  Cutter(const std::vector<SyncTensor>& tensors, int ranks, const SyncSettings& settings)
      : tensors_(tensors), ranks_(ranks), most_bytes_(std::max<std::int64_t>(settings.bucket_bytes, kFloatBytes)) {}

  std::vector<Bucket> cut(bool may_span_groups) {
    std::map<int, std::vector<std::size_t>, std::greater<>> groups;
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (tensors_[i].gradient.num_elements() > 0) groups[tensors_[i].group].push_back(i);
    for (const auto& [group, members] : groups) {
      std::vector<std::size_t> large;
      for (const std::size_t index : members)
        if (load_bytes(largest_part(index)) > most_bytes_)
          large.push_back(index);
        else
          merge(index);
      if (!large.empty() || !may_span_groups) close();
      for (const std::size_t index : large) slice(index);
    }
    close();
    return std::move(buckets_);
  }

 private:
  std::int64_t load_bytes(std::int64_t part_elements) const { return part_elements * ranks_ * kFloatBytes; }

  std::int64_t largest_part(std::size_t index) const {
    const tensor::View& gradient = tensors_[index].gradient;
    const std::int64_t rows = gradient.extent(0);
    return (rows + ranks_ - 1) / ranks_ * (gradient.num_elements() / rows);
  }

  void add(std::size_t index, int rank, tensor::Range elements) {
    if (elements.size > 0)
      open_.parts[static_cast<std::size_t>(rank)].push_back({index, elements.first, elements.size});
    sizes_[static_cast<std::size_t>(rank)] += elements.size;
  }

  void begin(int group) {
    if (open_.parts.empty()) {
      open_.parts.resize(static_cast<std::size_t>(ranks_));
      sizes_.assign(static_cast<std::size_t>(ranks_), 0);
    }
    if (open_.groups.empty() || open_.groups.back() != group) open_.groups.push_back(group);
  }

  void close() {
    if (open_.parts.empty()) return;
    open_.offsets.assign(1, 0);
    for (const std::int64_t size : sizes_) open_.offsets.push_back(open_.offsets.back() + size);
    buckets_.push_back(std::exchange(open_, {}));
  }

  void merge(std::size_t index) {
    const SyncTensor& tensor = tensors_[index];
    std::int64_t largest = 0;
    for (int rank = 0; rank < ranks_ && !open_.parts.empty(); ++rank)
      largest = std::max(largest, sizes_[static_cast<std::size_t>(rank)] + own_elements(tensor, ranks_, rank).size);
    if (load_bytes(largest) > most_bytes_) close();
    begin(tensor.group);
    for (int rank = 0; rank < ranks_; ++rank) add(index, rank, own_elements(tensor, ranks_, rank));
  }

  void slice(std::size_t index) {
    const SyncTensor& tensor = tensors_[index];
    const std::int64_t largest = largest_part(index);
    const std::int64_t slices = std::min(largest, (load_bytes(largest) + most_bytes_ - 1) / most_bytes_);
    for (std::int64_t i = 0; i < slices; ++i) {
      begin(tensor.group);
      for (int rank = 0; rank < ranks_; ++rank) {
        const tensor::Range own = own_elements(tensor, ranks_, rank), slice = tensor::part_of(own.size, slices, i);
        add(index, rank, {own.first + slice.first, slice.size});
      }
      close();
    }
  }

  const std::vector<SyncTensor>& tensors_;
  const int ranks_;
  const std::int64_t most_bytes_;
  std::vector<Bucket> buckets_;
  Bucket open_;
  std::vector<std::int64_t> sizes_;  // [ranks] elements of the open bucket
};

}  // namespace

tensor::Range own_elements(const SyncTensor& tensor, int ranks, int rank) {
  const std::int64_t rows = tensor.gradient.extent(0);
  if (rows == 0) return {};
  const std::int64_t row = tensor.gradient.num_elements() / rows;
  const tensor::Range own = own_rows(rows, ranks, rank, tensor.rotation);
  return {own.first * row, own.size * row};
}

std::vector<Bucket> cut_buckets(const std::vector<SyncTensor>& tensors, int ranks, const SyncSettings& settings) {
  return Cutter(tensors, ranks, settings).cut(settings.zero != 2);
}

bool needs_no_packing(const std::vector<Piece>& part, const SyncSettings& settings) {
  return part.size() <= 1 && settings.wire == Wire::fp32 && !settings.mpi_reduce;
}

std::size_t weight_bytes(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part) {
  std::size_t bytes = 0;
  for (const Piece& piece : part)
    bytes += static_cast<std::size_t>(piece.size) * base::size_bytes(tensors[piece.tensor].weight.dtype());
  return bytes;
}

std::size_t packed_bytes(const Bucket& bucket, const SyncSettings& settings) {
  for (const auto& part : bucket.parts)
    if (!needs_no_packing(part, settings))
      return aligned(static_cast<std::size_t>(bucket.size()) * base::size_bytes(wire_type(settings)));
  return 0;
}

SlotRoom slot_room(const std::vector<Bucket>& buckets, const std::vector<SyncTensor>& tensors, int ranks,
                   const SyncSettings& settings) {
  SlotRoom room;
  if (ranks == 1) return room;
  for (const Bucket& bucket : buckets) {
    std::int64_t largest = 0;
    std::size_t weights = 0;
    bool pack_weights = false;
    for (int rank = 0; rank < ranks; ++rank) {
      largest = std::max(largest, bucket.part_size(rank));
      weights += weight_bytes(tensors, bucket.part(rank));
      pack_weights |= bucket.part(rank).size() > 1;
    }
    const std::size_t received = settings.mpi_reduce
                                     ? 0
                                     : static_cast<std::size_t>(largest) * static_cast<std::size_t>(ranks - 1) *
                                           base::size_bytes(wire_type(settings));
    room.slot_bytes = std::max(room.slot_bytes, aligned(packed_bytes(bucket, settings) + received));
    if (settings.zero > 0 && pack_weights) room.slot_bytes = std::max(room.slot_bytes, aligned(weights));
  }
  if (buckets.empty()) return room;
  room.count = std::clamp(room.slot_bytes > 0 ? kPoolBytes / room.slot_bytes : 0, kFewestSlots, kMostSlots);
  room.count = std::min(room.count, buckets.size());
  return room;
}

}  // namespace tessera::data_parallel
