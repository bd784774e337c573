// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::checkpoint {

/// Bob Jenkins' lookup3 ("hashlittle", 2006), with which HDF5 guards its metadata.
std::uint32_t lookup3(const char* data, std::size_t size_bytes);

/// Bytes of HDF5's metadata that one of its own checksums guards.
struct GuardedSpan {
  std::size_t first = 0, end = 0;
  std::size_t checksum = 0;  ///< where the checksum is: at `end`, or within, where it counts as zeros
};

/// Those of a sound file: found by its signatures, as far as their checksum is right there.
std::vector<GuardedSpan> find_guarded_spans(const std::string& file);

/// Makes the checksum of a span right again.
void repair(std::string& file, const GuardedSpan& span);

}  // namespace tessera::checkpoint
