// SPDX-License-Identifier: Apache-2.0
// The parameters of a rank as the data axis sees them.
#pragma once

#include <vector>

#include "config/config.hpp"
#include "data_parallel/sync_tensor.hpp"
#include "model/parameters.hpp"

namespace tessera::model {

/// In the order of parameters.all(). Of measured parameters the views are without memory.
std::vector<data_parallel::SyncTensor> sync_tensors(const Parameters& parameters);

/// What [parallel] says of sums over the data axis.
data_parallel::SyncSettings sync_settings(const config::Config& config, base::Fault fault = base::Fault::none);

}  // namespace tessera::model
