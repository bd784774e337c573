// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/posix_file.hpp"
#include "base/stopwatch.hpp"

namespace tessera::checkpoint {

/// Elements of a dataset that lie one after the other both in the file and in memory.
struct Stretch {
  std::size_t dataset = 0;  ///< its index
  std::int64_t first = 0;   ///< row-major index in the tensor
  std::int64_t count = 0;
  const float* data = nullptr;
};

/// What may be told to a writer while it writes.
struct WriterOrders {
  std::atomic<std::int64_t> bytes_per_second = 0;  ///< at most; 0: as fast as it goes
  std::atomic<bool> give_up = false;
};

/// What a rank writes of a file: few long stretches, best in the order in which they lie there. Calls neither HDF5 nor
/// MPI, so a thread of its own may.
class TileWriter {
 public:
  /// `offsets`: first byte of each dataset. `orders` must outlive the writer.
  TileWriter(std::string path, std::vector<std::uint64_t> offsets, const WriterOrders& orders);

  /// Throws base::SystemError, and base::Error if it was told to give up.
  void write(const Stretch& stretch);
  /// Flushes; returns what the stretches add to the sum64 of each dataset. Throws base::SystemError.
  std::vector<std::uint64_t> finish();
  /// Slept to keep to the rate it was told.
  double paused_seconds() const { return paused_seconds_; }

 private:
  void pause();

  std::string path_;
  std::vector<std::uint64_t> offsets_, sums_;
  const WriterOrders& orders_;
  std::optional<base::PosixFile> file_;  // of a rank that writes anything
  base::Clock::time_point start_ = base::Clock::now();
  double written_bytes_ = 0, paused_seconds_ = 0;
};

}  // namespace tessera::checkpoint
