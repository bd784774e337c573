// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data_parallel/sync_tensor.hpp"

namespace tessera::data_parallel {

/// Elements [first, first + size) of a tensor of the list, row-major.
struct Piece {
  std::size_t tensor = 0;
  std::int64_t first = 0, size = 0;
};

/// What is reduced together: for each data rank a list of pieces that it owns.
struct Bucket {
  std::vector<std::vector<Piece>> parts;  // [ranks]
  std::vector<std::int64_t> offsets;      // [ranks + 1] elements of the parts before
  std::vector<int> groups;                // whose tensors are in it, each once

  const std::vector<Piece>& part(int rank) const { return parts[static_cast<std::size_t>(rank)]; }
  std::int64_t offset(int rank) const { return offsets[static_cast<std::size_t>(rank)]; }
  std::int64_t part_size(int rank) const { return offset(rank + 1) - offset(rank); }
  std::int64_t size() const { return offsets.back(); }
};

/// Elements of `tensor` that `rank` owns: whole rows.
tensor::Range own_elements(const SyncTensor& tensor, int ranks, int rank);

/// Buckets in the order in which backward finishes them: from the last group to the first. A bucket is full when the
/// largest part times `ranks` reaches bucket_bytes, so it bounds what any rank receives. Small tensors of consecutive
/// groups are merged; one that is larger than a bucket is cut into several of its own, the j-th of which holds the j-th
/// slice of every rank's rows, so that all ranks send and receive in each. With zero 2 no bucket spans groups. Pure.
std::vector<Bucket> cut_buckets(const std::vector<SyncTensor>& tensors, int ranks, const SyncSettings& settings);

/// True if a part travels from and to the tensor's own memory: it lies there as it is sent.
bool needs_no_packing(const std::vector<Piece>& part, const SyncSettings& settings);

/// Bytes of the weights of a part, in their own types.
std::size_t weight_bytes(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part);

/// Work space: `count` buckets may be in flight, each with `slot_bytes`.
struct SlotRoom {
  std::size_t count = 0, slot_bytes = 0;
};

/// A slot holds the largest bucket of any rank: what is packed (all parts, in the type of the wire or of the weights),
/// and what the owner receives (its part from each other rank). In two levels no phase receives more, so the room does
/// not depend on where ranks lie. Four slots, or as many as 64 MiB hold, at most 64.
SlotRoom slot_room(const std::vector<Bucket>& buckets, const std::vector<SyncTensor>& tensors, int ranks,
                   const SyncSettings& settings);

inline base::DType wire_type(const SyncSettings& settings) {
  return settings.wire == Wire::bf16 ? base::DType::bf16 : base::DType::f32;
}

/// Where in a slot received parts begin, behind the packed ones.
std::size_t packed_bytes(const Bucket& bucket, const SyncSettings& settings);

}  // namespace tessera::data_parallel
