// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "data_parallel/buckets.hpp"
#include "data_parallel/phases.hpp"

namespace tessera::data_parallel {

/// Every owner's weights of all buckets to all ranks, in their own types and by gather_phases(); returns when they are
/// there. `slots`: work space of each bucket in flight, by slot_room(). Message tags: first_tag + 2 * slot. Collective.
void gather_weights(const comm::Communicator& group, const std::vector<SyncTensor>& tensors,
                    const std::vector<Bucket>& buckets, const std::vector<Phase>& phases,
                    std::span<std::byte* const> slots, int first_tag);

}  // namespace tessera::data_parallel
