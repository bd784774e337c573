// SPDX-License-Identifier: Apache-2.0
// The shim of one rank: knows its descriptors below the watched folder, keeps the log, and makes faults happen.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "faults/operation.hpp"
#include "faults/points.hpp"
#include "faults/shared_page.hpp"
#include "faults/shim_settings.hpp"

namespace tessera::faults {

/// An open file below the watched folder.
struct Handle {
  std::uint64_t id = 0;  ///< the beginning of its open
  std::string path;
  int flags = 0;
  bool written = false;
  bool tiles_written = false;

  /// HDF5 reads what it writes, ranks only write, and the file was made by HDF5.
  bool is_of_hdf5() const;
  std::optional<std::int64_t> step() const { return step_of_temporary(path); }
};

class Shim {
 public:
  /// That of this process. It is never destroyed, as files are closed until the very end. A state of the whole process
  /// is what an interposed function of the C library has in place of an argument.
  static Shim& instance();

  /// The absolute path if it is below the watched folder, else "". `folder` as in openat().
  std::string watched(int folder, const char* path) const;
  std::shared_ptr<Handle> find(int descriptor);
  void add(int descriptor, const Operation& open);
  void forget(int descriptor);
  Operation operation(Operation::Kind kind, const Handle& handle) const;
  Operation operation(Operation::Kind kind, std::string path) const;

  /// Runs what the operation does, unless it is to fail: then -1 and errno as the system would.
  template <class Call>
  auto perform(Operation& operation, Handle* handle, Call call) -> decltype(call()) {
    if (const int refusal = begin(operation, handle)) {
      errno = refusal;
      return -1;
    }
    const auto result = call();
    const int error = errno;
    end(operation, handle, static_cast<std::int64_t>(result));
    errno = error;
    return result;
  }

  /// A write of `size` bytes from `offset` on, which may be cut short by the quota or in the middle of the tiles.
  /// `call` writes that many of them.
  template <class Call>
  std::int64_t write(Handle& handle, const void* data, std::size_t size, std::int64_t offset, Call call) {
    Operation op = operation(Operation::Kind::write, handle);
    op.offset = offset;
    const std::size_t room = room_for(size);
    if (room < size && room == 0) {
      errno = ENOSPC;
      return -1;
    }
    std::size_t allowed = room;
    const bool torn = begin_write(op, handle) && size > 1;
    if (torn) allowed = allowed > 1 ? allowed / 2 : 1;
    const std::int64_t result = call(allowed);
    const int error = errno;
    if (logs() && result > 0) op.data.assign(static_cast<const char*>(data), static_cast<std::size_t>(result));
    if (torn) at(Point::tiles_half, handle.step());
    end(op, &handle, result);
    errno = error;
    return result;
  }

 private:
  Shim();
  bool logs() const { return log_ >= 0; }
  /// The next number of the common order.
  std::uint64_t next();
  /// Numbers the operation and passes the points before it. Returns an error number if it must fail.
  int begin(Operation& operation, const Handle* handle);
  /// The same for a write; true if it is the one to be torn.
  bool begin_write(Operation& operation, Handle& handle);
  /// Numbers its end, passes the points behind it and writes it down.
  void end(Operation& operation, Handle* handle, std::int64_t result);
  int refusal(const Operation& operation) const;
  bool flushes_rename(const Operation& operation) const;
  std::size_t room_for(std::size_t size);
  void hold_up() const;
  /// Strikes if the point is the one of the settings.
  void at(Point point, std::optional<std::int64_t> step);
  /// Kills the victim.
  void strike();

  ShimSettings settings_;
  int rank_ = 0;
  int log_ = -1;
  SharedPage* page_ = nullptr;
  mutable std::mutex mutex_;
  std::map<int, std::shared_ptr<Handle>> handles_;
  std::int64_t tile_step_ = 0;     // save that `tiles_` counts
  std::uint64_t tiles_ = 0;        // writes of tiles in it
  std::int64_t sealed_step_ = 0;   // whose first block was written
  std::int64_t renamed_step_ = 0;  // whose file has its name
  std::string renamed_folder_;
};

}  // namespace tessera::faults
