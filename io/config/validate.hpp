// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"

namespace tessera::config {

/// One thing that is wrong: key, value, rule and remedy in a sentence.
struct Problem {
  std::string key, message;
};

/// Every rule that ties keys to each other, for a job of `ranks` ranks. Rules of single values are in the option table.
std::vector<Problem> validate(const Config& config, int ranks);

/// Keys of `required` that still have their empty default.
std::vector<Problem> missing_keys(const Config& config, const std::vector<std::string>& required);

/// Throws one base::UsageError that lists all problems, if there are any.
void throw_if_any(const std::vector<Problem>& problems);

}  // namespace tessera::config
