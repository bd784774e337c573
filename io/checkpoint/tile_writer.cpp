// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tile_writer.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/posix_file.hpp"
#include "base/stopwatch.hpp"
#include "checkpoint/checksum.hpp"

namespace tessera::checkpoint {
namespace {

// Long enough for any file system, short enough to be in the cache still when it is written after it was summed.
constexpr std::int64_t kPieceElements = std::int64_t{1} << 19;

}  // namespace

std::vector<std::uint64_t> write_stretches(const WriteJob& job) {
  std::vector<std::uint64_t> sums(job.offsets.size());
  if (job.stretches.empty()) return sums;
  base::PosixFile file = base::PosixFile::open_write(job.path);
  const base::Clock::time_point start = base::Clock::now();
  double written_bytes = 0;
  for (const Stretch& stretch : job.stretches)
    for (std::int64_t done = 0; done < stretch.count; done += kPieceElements) {
      const std::int64_t count = std::min(kPieceElements, stretch.count - done), first = stretch.first + done;
      sums[stretch.dataset] += sum_of_elements(stretch.data + done, count, first);
      const std::size_t size_bytes = static_cast<std::size_t>(count) * sizeof(float);
      file.write_at(job.offsets[stretch.dataset] + static_cast<std::uint64_t>(first) * sizeof(float),
                    stretch.data + done, size_bytes);
      written_bytes += static_cast<double>(size_bytes);
      if (job.bytes_per_second <= 0) continue;
      const double due = written_bytes / static_cast<double>(job.bytes_per_second);
      std::this_thread::sleep_for(std::chrono::duration<double>(due - base::seconds_since(start)));
    }
  file.sync();
  return sums;
}

}  // namespace tessera::checkpoint
