// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"

namespace tessera::checkpoint {

/// The state of a file, read by one rank for all. Throws DamagedError on all ranks alike; other errors as
/// base::SharedError. Collective.
RunState read_state(const comm::Communicator& ranks, const std::string& path);

/// Reads the counted tiles of all ranks, whatever the mesh that wrote: every byte is read once, by one rank, and
/// verified. Copies are left as they are: the caller fills them from the counted tiles. `columns`: the group whose
/// ranks hold the other columns of tiles that lack some (columns.hpp); of one rank where there is none. Throws the same
/// DamagedError on all ranks, listing EVERY tensor that is missing, of another shape or with a wrong checksum: compare
/// the model with that of read_state() first. Other errors on any rank throw base::SharedError on all; std::logic_error
/// says if the counted tiles do not add up to whole tensors. Collective over `ranks`.
void read_tiles(const comm::Communicator& ranks, const comm::Communicator& columns, const std::string& path,
                const std::vector<TensorTile>& tiles);

}  // namespace tessera::checkpoint
