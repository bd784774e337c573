// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace tessera::train {

/// Keeps a second training out of a run folder, a second study out of its own: a file `lock` in it that names this
/// process and whose time of change a thread renews. Plain files work where locks of the system do not (Lustre, NFS).
/// Held until destroyed; what a killed process leaves is known by its process being gone, or on another host by a
/// minute without a sign of life.
class RunLock {
 public:
  /// Throws base::UsageError naming the other process if the folder is in use. `note` becomes what was taken over, if
  /// anything was. `key` is the option that named the folder.
  RunLock(const std::string& dir, std::string& note, const std::string& key = "run.dir");
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Throws base::Error if another process took the folder over, as one that stands still for a minute looks dead.
  void require_held() const;

 private:
  void renew(const std::stop_token& stop);

  std::string path_, mine_;  // what stands in the file
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread heartbeat_;
};

/// A lock as one sees it who does not want the folder.
struct LockSight {
  std::string host, job, since;  ///< of its holder; "" if the lock is being written, or damaged
  std::int64_t pid = 0;
  std::int64_t age_seconds = 0;  ///< since its last sign of life
  bool is_alive = false;
};

/// Nothing if the folder is not locked. Over NFS, too, the age is that on the server; clocks that differ by more than
/// they may are seen through by a file that is made in the folder and removed, where this process may.
std::optional<LockSight> look_at_lock(const std::string& dir);

}  // namespace tessera::train
