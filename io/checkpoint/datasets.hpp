// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"

namespace tessera::checkpoint {

/// The datasets of the tiles of all ranks, by path: the same list on every rank, whatever the mesh. Throws
/// std::logic_error, on every rank alike, if tiles of one dataset differ in its shape or those that are counted do not
/// add up to its elements. Collective.
std::vector<Dataset> datasets_of(const comm::Communicator& ranks, const std::vector<TensorTile>& tiles);

/// Where the dataset of a tile is in the list.
std::size_t index_of(const std::vector<Dataset>& datasets, const TensorTile& tensor);

/// Sums over ranks, modulo 2^64, of as many numbers on each. Collective.
std::vector<std::uint64_t> add_over_ranks(const comm::Communicator& ranks, const std::vector<std::uint64_t>& numbers,
                                          const char* what);

}  // namespace tessera::checkpoint
