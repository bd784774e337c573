// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/validate.hpp"

namespace tessera::config {

/// Appends what is wrong with [parallel], and with model and batch under it, for a job of `ranks` ranks.
void check_layout(const Config& config, int ranks, std::vector<Problem>& problems);

}  // namespace tessera::config
