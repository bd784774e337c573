// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <map>

#include "base/error.hpp"
#include "config/options.hpp"
#include "config/validate.hpp"
#include "convert/inventory.hpp"

namespace tessera::convert {

config::ModelConfig settle(const std::vector<Claim>& claims, const config::ModelConfig& fallback) {
  config::Config config;
  config.model = fallback;
  std::string problems;
  std::map<std::string, const Claim*> first;
  for (const Claim& claim : claims) {
    const auto [before, is_new] = first.emplace(claim.key, &claim);
    config::Config alone;
    try {
      config::find_option(claim.key)->set(alone, claim.value);
    } catch (const base::UsageError& error) {
      problems += fmt::format("\n  {} ({})", error.what(), claim.source);
      continue;
    }
    // "1k" and "1000" are one value.
    const std::string value = config::find_option(claim.key)->get(alone);
    if (is_new)
      config::find_option(claim.key)->set(config, value);
    else if (value != config::find_option(claim.key)->get(config))
      problems += fmt::format("\n  {} = {} ({}), but {} ({})", claim.key, before->second->value, before->second->source,
                              claim.value, claim.source);
  }
  if (!problems.empty()) base::fail_usage("the model cannot be told from what is said of it:{}", problems);
  config::throw_if_any(config::validate(config, 1));
  return config.model;
}

}  // namespace tessera::convert
