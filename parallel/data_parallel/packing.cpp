// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/packing.hpp"

#include <cstring>

#include "tensor/ops.hpp"

namespace tessera::data_parallel {

using tensor::View;

View stretch(const View& tensor, std::int64_t first, std::int64_t size) {
  return tensor.reshaped({tensor.num_elements()}).rows(first, size);
}

void convert(tensor::Device& device, const View& source, const View& target) {
  if (source.dtype() == target.dtype())
    std::memcpy(target.data(), source.data(), source.size_bytes());
  else if (target.dtype() == base::DType::bf16)
    tensor::round(device, source, target);
  else
    tensor::widen(device, source, target);
}

View BucketMemory::packed(int rank) const {
  const base::DType type = wire_type(settings);
  const auto before = static_cast<std::size_t>(bucket.offset(rank)) * base::size_bytes(type);
  return {slot + before, type, {bucket.part_size(rank)}};
}

View BucketMemory::on_the_wire(int rank) const {
  const std::vector<Piece>& part = bucket.part(rank);
  if (part.empty() || !needs_no_packing(part, settings)) return packed(rank);
  return stretch(tensors[part[0].tensor].gradient, part[0].first, part[0].size);
}

std::vector<View> BucketMemory::arrivals(const Phase& phase) const {
  std::byte* next = slot + packed_bytes(bucket, settings);
  std::vector<View> views;
  for (const Message& message : phase.receives) {
    views.push_back(on_the_wire(message.part));
    if (phase.collected.empty()) continue;
    views.back() = {next, wire_type(settings), {bucket.part_size(message.part)}};
    next += views.back().size_bytes();
  }
  return views;
}

void BucketMemory::pack(int rank) const {
  if (needs_no_packing(bucket.part(rank), settings)) return;
  std::int64_t offset = 0;
  for (const Piece& piece : bucket.part(rank)) {
    convert(device, stretch(tensors[piece.tensor].gradient, piece.first, piece.size),
            packed(rank).rows(offset, piece.size));
    offset += piece.size;
  }
}

void BucketMemory::unpack(int rank) const {
  if (needs_no_packing(bucket.part(rank), settings)) return;
  std::int64_t offset = 0;
  for (const Piece& piece : bucket.part(rank)) {
    convert(device, packed(rank).rows(offset, piece.size),
            stretch(tensors[piece.tensor].gradient, piece.first, piece.size));
    offset += piece.size;
  }
}

void pack_weights(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part, std::span<std::byte> packed) {
  for (const Piece& piece : part) {
    const View weight = stretch(tensors[piece.tensor].weight, piece.first, piece.size);
    std::memcpy(packed.data(), weight.data(), weight.size_bytes());
    packed = packed.subspan(weight.size_bytes());
  }
}

void unpack_weights(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                    std::span<const std::byte> packed) {
  for (const Piece& piece : part) {
    const View weight = stretch(tensors[piece.tensor].weight, piece.first, piece.size);
    std::memcpy(weight.data(), packed.data(), weight.size_bytes());
    packed = packed.subspan(weight.size_bytes());
  }
}

}  // namespace tessera::data_parallel
