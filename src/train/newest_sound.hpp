// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace tessera::train {

/// The checkpoint that was read, and a message for each newer file that was passed over as damaged.
struct NewestSound {
  std::string file;
  std::vector<std::string> damage;
};

/// Calls read() on all ranks with the files that `path` may mean (checkpoint::candidates), newest first, until one is
/// not damaged: read() throws checkpoint::DamagedError on all ranks alike if it is. A training may remove files
/// meanwhile: then they are listed anew. Throws base::SharedError if none is sound. Collective.
NewestSound read_newest_sound(const comm::Communicator& ranks, const std::string& path,
                              const std::function<void(const std::string& file)>& read);

}  // namespace tessera::train
