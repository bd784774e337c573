// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tile_writer.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.hpp"
#include "checkpoint/checksum.hpp"

namespace tessera::checkpoint {
namespace {

// Long enough for any file system, short enough to be in the cache still when it is written after it was summed.
constexpr std::int64_t kPieceElements = std::int64_t{1} << 19;
// So soon a writer that sleeps hears of new orders.
constexpr double kNapSeconds = 0.05;

}  // namespace

TileWriter::TileWriter(std::string path, std::vector<std::uint64_t> offsets, const WriterOrders& orders)
    : path_(std::move(path)), offsets_(std::move(offsets)), sums_(offsets_.size()), orders_(orders) {}

void TileWriter::write(const Stretch& stretch) {
  if (!file_) file_.emplace(base::PosixFile::open_write(path_));
  for (std::int64_t done = 0; done < stretch.count; done += kPieceElements) {
    const std::int64_t count = std::min(kPieceElements, stretch.count - done), first = stretch.first + done;
    sums_[stretch.dataset] += sum_of_elements(stretch.data + done, count, first);
    const std::size_t size_bytes = static_cast<std::size_t>(count) * sizeof(float);
    file_->write_at(offsets_[stretch.dataset] + static_cast<std::uint64_t>(first) * sizeof(float), stretch.data + done,
                    size_bytes);
    written_bytes_ += static_cast<double>(size_bytes);
    pause();
  }
}

/// Sleeps until as much may have been written.
void TileWriter::pause() {
  for (;;) {
    if (orders_.give_up) base::fail("'{}' was given up", path_);
    const std::int64_t rate = orders_.bytes_per_second;
    const double early = rate > 0 ? written_bytes_ / static_cast<double>(rate) - base::seconds_since(start_) : 0;
    if (early <= 0) return;
    const base::Stopwatch paused(paused_seconds_);
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(early, kNapSeconds)));
  }
}

std::vector<std::uint64_t> TileWriter::finish() {
  if (file_) file_->sync();
  return std::move(sums_);
}

}  // namespace tessera::checkpoint
