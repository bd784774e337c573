// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"
#include "tensor/device.hpp"
#include "tensor/view.hpp"

namespace tessera::pipeline {

/// `gradient` f32 of a tied embedding = that of the first stage, which embeds, + that of the last, which has the head:
/// the same bits at both. Called by these two stages of `axis`, of which there are at least two.
void sum_ends(const comm::Communicator& axis, tensor::Device& device, tensor::View gradient);

/// values of the first rank of the axis to the last, f32, of a tensor that both hold. Call on these two, which must
/// differ.
void copy_to_last(const comm::Communicator& axis, tensor::View values);

}  // namespace tessera::pipeline
