// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

namespace tessera::scaling {

/// Keeps others from measuring the same at the same time, for as long as it lives; the system lets go of it when the
/// process ends, however it does.
class Lock {
 public:
  /// Takes the lock `path`, made if need be with its folder. Throws base::UsageError if another process has it.
  explicit Lock(const std::string& path);
  Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock();

 private:
  int fd_ = -1;
};

}  // namespace tessera::scaling
