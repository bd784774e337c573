// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/communicator.hpp"

namespace tessera::testing {

/// All ranks of the test program.
comm::Communicator& world();
/// Called by main before the tests.
void set_world(comm::Communicator& ranks);

}  // namespace tessera::testing
