// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/config.hpp"

namespace tessera::tools {

/// A configuration that is valid for `ranks` ranks with what can be said without training: vocabulary and micro-batch
/// are filled in from the data if it names some. Throws base::UsageError listing every problem with the data.
config::Config resolve_without_training(const config::Config& config, int ranks);

}  // namespace tessera::tools
