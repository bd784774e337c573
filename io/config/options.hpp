// SPDX-License-Identifier: Apache-2.0
// The one option table: parser, --help, validation of single values and docs/options.md are made from it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace tessera::config {

/// Ranks of the largest job that makes sense, real or to be checked: a larger number is a slip of the pen.
inline constexpr std::int64_t most_ranks = 1'000'000;

/// One key of the configuration.
struct Option {
  std::string key;     ///< "optim.lr"
  std::string help;    ///< what it does, with its unit
  std::string values;  ///< what is accepted: "number >= 0", "cosine | constant"
  std::function<std::string(const Config&)> get;
  /// Throws base::UsageError "key = 'value': rule" if the value is not accepted.
  std::function<void(Config&, const std::string&)> set;
};

/// All keys, grouped by section, in the order of the documentation.
const std::vector<Option>& options();
/// The option of a key, or nullptr.
const Option* find_option(const std::string& key);

/// The keys for `--help`: one line each, with default.
std::string options_help();
/// docs/options.md: a table for each section.
std::string options_markdown();

}  // namespace tessera::config
