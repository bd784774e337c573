// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "config/config.hpp"

namespace tessera::config {

/// All keys with their values as an INI text that parse_text reads back to an equal configuration.
std::string to_ini(const Config& config);

/// The same as a map from key to value.
std::map<std::string, std::string> key_values(const Config& config);

/// "12 layers, hidden 768, 12 heads of 64, context 1024, vocabulary 50257, head tied"
std::string describe(const ModelConfig& model);

}  // namespace tessera::config
