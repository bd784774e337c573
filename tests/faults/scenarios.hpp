// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "faults/trial.hpp"

namespace tessera::faults {

/// Plays a round. Throws std::runtime_error where the harness itself fails.
Outcome play(TestStand& stand, const Round& round);

}  // namespace tessera::faults
