// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "faults/shim_settings.hpp"

namespace tessera::faults {

/// Options of mpirun that load the shim into the ranks, and not into mpirun, and tell it these settings.
std::string shim_options(const ShimSettings& settings);

}  // namespace tessera::faults
