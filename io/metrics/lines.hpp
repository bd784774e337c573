// SPDX-License-Identifier: Apache-2.0
// Files of one JSON object a line that several processes may add to, and that are read while they are written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json/json.hpp"

namespace tessera::metrics {

double wall_seconds();  ///< since 1970, by the clock of this host

/// Adds a line with one write, behind whatever a crash or a full disk left of the one before. Makes the file if need
/// be. Returns what went wrong, "" if nothing did.
std::string append_line(const std::string& path, const json::Json& line);

/// The last lines of a file, at most `max_bytes` of them, whole ones only: the one that is being written, without a
/// line break at its end, is left out. Empty if the file cannot be read.
std::vector<std::string> last_lines(const std::string& path, std::int64_t max_bytes);

}  // namespace tessera::metrics
