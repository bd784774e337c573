// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace tessera::config {

/// What a valid configuration may not have meant, a sentence each: heads shared out unevenly, too few micro-batches for
/// the pipeline (not while optim.micro_batch is auto), a warmup longer than the run.
std::vector<std::string> warnings(const Config& config, int ranks);

}  // namespace tessera::config
