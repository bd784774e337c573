// SPDX-License-Identifier: Apache-2.0
// The instants of a save at which the harness kills ranks, and the names of files that tell them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera::faults {

/// In the order in which a save passes them.
enum class Point : std::uint8_t {
  created,        ///< the temporary file was made
  laid_out,       ///< before the first tile of a rank is written
  tiles_half,     ///< in the middle of a write in the middle of a rank's tiles
  tiles_written,  ///< before a rank flushes its tiles
  tiles_synced,   ///< after that
  sums_written,   ///< HDF5 closes the file, after the tiles
  sealed,         ///< the first block was written
  before_fsync,   ///< before the last flush of the file
  before_rename,
  renamed,
  published,  ///< the folder was flushed
  before_prune,
  pruned,  ///< an old file was removed
};

inline constexpr std::array<const char*, 13> point_names = {
    "created",      "laid_out",      "tiles_half", "tiles_written", "tiles_synced", "sums_written", "sealed",
    "before_fsync", "before_rename", "renamed",    "published",     "before_prune", "pruned"};

inline constexpr const char* name_of(Point point) {
  return point_names[static_cast<std::size_t>(point)];
}

/// Step of "…/step-00000004.h5" + `suffix`; nothing if it is no such path.
inline std::optional<std::int64_t> step_in(std::string_view path, std::string_view suffix = "") {
  constexpr std::string_view begin = "step-", end = ".h5";
  path = path.substr(path.rfind('/') + 1);
  if (!path.starts_with(begin) || !path.ends_with(suffix)) return std::nullopt;
  path.remove_suffix(suffix.size());
  if (!path.ends_with(end)) return std::nullopt;
  path = path.substr(begin.size(), path.size() - begin.size() - end.size());
  if (path.empty()) return std::nullopt;
  std::int64_t step = 0;
  for (const char digit : path) {
    if (digit < '0' || digit > '9') return std::nullopt;
    step = step * 10 + (digit - '0');
  }
  return step;
}

/// Of a checkpoint that is being written.
inline std::optional<std::int64_t> step_of_temporary(std::string_view path) {
  return step_in(path, ".tmp");
}

}  // namespace tessera::faults
