// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::checkpoint {

/// Elements of a dataset that lie one after the other both in the file and in memory.
struct Stretch {
  std::size_t dataset = 0;  ///< its index
  std::int64_t first = 0;   ///< row-major index in the tensor
  std::int64_t count = 0;
  const float* data = nullptr;
};

/// What a rank writes of a file: few long stretches, in the order in which they lie there.
struct WriteJob {
  std::string path;
  std::vector<std::uint64_t> offsets;  ///< first byte of each dataset
  std::vector<Stretch> stretches;
  std::int64_t bytes_per_second = 0;  ///< at most; 0: as fast as it goes
};

/// Writes and flushes; returns what the stretches add to the sum64 of each dataset. Calls neither HDF5 nor MPI, so a
/// thread of its own may. Throws base::SystemError.
std::vector<std::uint64_t> write_stretches(const WriteJob& job);

}  // namespace tessera::checkpoint
