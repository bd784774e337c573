// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "data_parallel/buckets.hpp"
#include "tensor/device.hpp"

namespace tessera::data_parallel {

/// Elements [first, first + size) of a tensor as a view of one dim.
tensor::View stretch(const tensor::View& tensor, std::int64_t first, std::int64_t size);

/// target = source [n], each f32 or bf16: copied, rounded or widened.
void convert(tensor::Device& device, const tensor::View& source, const tensor::View& target);

/// packed [n] f32 or bf16 = the gradients of `part`, piece after piece. This is where contributions are rounded.
void pack_gradients(tensor::Device& device, const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                    const tensor::View& packed);
/// The gradients of `part` = packed.
void unpack_gradients(tensor::Device& device, const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                      const tensor::View& packed);

/// The weights of `part` as bytes, piece after piece.
void pack_weights(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part, std::span<std::byte> packed);
void unpack_weights(const std::vector<SyncTensor>& tensors, const std::vector<Piece>& part,
                    std::span<const std::byte> packed);

}  // namespace tessera::data_parallel
