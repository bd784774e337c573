// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "tensor/device.hpp"

namespace tessera::data_parallel {

/// out = ((part 0 + part 1) + part 2) + ..., in fp32. Parts f32 or bf16, out f32 or bf16 (rounded once), all of one
/// shape; out may be a part. Every sum of gradients over the data axis is made here.
void sum_in_order(tensor::Device& device, std::span<const tensor::View> parts, tensor::View out);

}  // namespace tessera::data_parallel
