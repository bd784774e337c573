// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace tessera::config {

/// The candidate with the fewest insertions, deletions and replacements away from `text` (Levenshtein 1966); the first
/// of equals; "" without candidates.
std::string nearest(const std::string& text, const std::vector<std::string>& candidates);

}  // namespace tessera::config
