// SPDX-License-Identifier: Apache-2.0
// A page that the shims of all ranks and the harness share: a mapped file. A mapping outlives a killed process, so what
// a rank noted just before its death is there.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tessera::faults {

inline constexpr int max_ranks = 8;

/// All zero at the start of a command.
struct SharedPage {
  std::atomic<std::uint64_t> order;             ///< numbers the beginnings and ends of all operations of all ranks
  std::atomic<std::uint64_t> bytes_written;     ///< below the watched folder, for the quota
  std::atomic<std::uint64_t> syncs;             ///< flushes that saves make
  std::atomic<std::uint64_t> faults;            ///< kills and errors that happened
  std::atomic<std::uint64_t> delays;            ///< writes that were held up
  std::atomic<std::int64_t> published_step;     ///< of the newest checkpoint whose name was flushed; 0: none
  std::atomic<std::int64_t> tile_step;          ///< of the save in which a rank last wrote a tile
  std::atomic<std::int32_t> pids[max_ranks];    ///< of each rank
  std::atomic<std::uint64_t> tiles[max_ranks];  ///< writes of tiles in the last save of each rank
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int32_t>::is_always_lock_free);

/// Maps the page of a file.
class SharedFile {
 public:
  /// New or emptied.
  static SharedFile create(const std::string& path);
  ~SharedFile();
  SharedFile(SharedFile&& other) noexcept;
  SharedFile& operator=(SharedFile&&) = delete;

  SharedPage* operator->() const { return page_; }
  /// All zero again; no shim may use it.
  void clear();

 private:
  explicit SharedFile(SharedPage* page) : page_(page) {}
  SharedPage* page_;
};

}  // namespace tessera::faults
