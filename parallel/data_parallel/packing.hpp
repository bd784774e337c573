// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "data_parallel/buckets.hpp"
#include "data_parallel/phases.hpp"
#include "tensor/device.hpp"

namespace tessera::data_parallel {

/// Elements [first, first + size) of a tensor as a view of one dim.
tensor::View stretch(const tensor::View& tensor, std::int64_t first, std::int64_t size);

/// target = source [n], each f32 or bf16: copied, rounded or widened.
void convert(tensor::Device& device, const tensor::View& source, const tensor::View& target);

/// Where the gradients of a bucket lie while it travels: packed in a slot, part after part, or where they are, if that
/// is as they are sent.
struct BucketMemory {
  tensor::Device& device;
  const std::vector<SyncTensor>& tensors;
  const SyncSettings& settings;
  const Bucket& bucket;
  std::byte* slot;

  /// The place of a part in the slot.
  tensor::View packed(int rank) const;
  /// Where a part is sent from (contributions to it, and sums) and where sums of it arrive.
  tensor::View on_the_wire(int rank) const;
  /// Where what a phase receives arrives: copies to be added behind the packed parts, else on_the_wire().
  std::vector<tensor::View> arrivals(const Phase& phase) const;
  /// on_the_wire = gradients of a part, where these are two: here contributions are rounded.
  void pack(int rank) const;
  /// gradients = on_the_wire.
  void unpack(int rank) const;
};

/// The weights of `part` as bytes, piece after piece.
void pack_weights(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part, std::span<std::byte> packed);
void unpack_weights(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                    std::span<const std::byte> packed);

}  // namespace tessera::data_parallel
