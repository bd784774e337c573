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

void pack_gradients(tensor::Device& device, const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                    const View& packed) {
  std::int64_t offset = 0;
  for (const Piece& piece : part) {
    convert(device, stretch(tensors[piece.tensor].gradient, piece.first, piece.size), packed.rows(offset, piece.size));
    offset += piece.size;
  }
}

void unpack_gradients(tensor::Device& device, const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                      const View& packed) {
  std::int64_t offset = 0;
  for (const Piece& piece : part) {
    convert(device, packed.rows(offset, piece.size), stretch(tensors[piece.tensor].gradient, piece.first, piece.size));
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
