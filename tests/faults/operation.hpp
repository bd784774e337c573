// SPDX-License-Identifier: Apache-2.0
// What a rank did to a file below the watched folder, as the shim writes it down and the replay reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::faults {

struct Operation {
  enum class Kind : std::uint8_t { open, write, truncate, allocate, sync, close, rename, unlink, make_folder };

  Kind kind = Kind::open;
  std::int32_t rank = 0;
  /// Of the one order of all ranks: taken before the system was asked and after it had answered. An operation whose end
  /// is below the beginning of another one came before it; otherwise both orders are possible.
  std::uint64_t begin = 0, end = 0;
  std::int64_t result = 0;   ///< negative if it failed
  std::uint64_t handle = 0;  ///< the beginning of the open that made the descriptor; 0 without descriptor
  std::int32_t flags = 0;    ///< of open
  std::int64_t offset = 0;   ///< write: of its first byte; truncate: the size; allocate: the least size
  std::string path;          ///< absolute
  std::string target;        ///< rename: the new path
  std::string data;          ///< write: the bytes that reached the file
};

/// As bytes of a log, in which operations stand one behind the other.
std::string to_bytes(const Operation& operation);

/// All operations of the logs in a folder, one file a rank, by their beginnings. A record that was cut off by the end
/// of its process is left out. Throws std::runtime_error for a file that is no log.
std::vector<Operation> read_logs(const std::string& folder);

}  // namespace tessera::faults
