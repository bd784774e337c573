// SPDX-License-Identifier: Apache-2.0
#include "scaling/lock.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.hpp"

namespace tessera::scaling {

Lock::Lock(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  // Programs that are started must not keep it when this process dies.
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) base::fail_system("'{}' cannot be written: {}", path, std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const int cause = errno;
  ::close(fd_);
  if (cause == EWOULDBLOCK)
    base::fail_usage("'{}': another process measures here: wait for its end, or name another folder with --output",
                     path);
  base::fail_system("'{}' cannot be locked: {}", path, std::strerror(cause));
}

Lock::~Lock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tessera::scaling
