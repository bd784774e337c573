// SPDX-License-Identifier: Apache-2.0
#include "base/posix_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"

namespace tessera::base {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // Linux moves at most 2 GiB - 4 KiB in one call

int open_or_fail(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (fd < 0) fail_system("cannot open '{}': {}", path, std::strerror(errno));
  return fd;
}

}  // namespace

PosixFile PosixFile::open_read(const std::string& path) {
  return {open_or_fail(path, O_RDONLY), path};
}
PosixFile PosixFile::open_write(const std::string& path) {
  return {open_or_fail(path, O_WRONLY), path};
}

PosixFile PosixFile::create(const std::string& path) {
  return {open_or_fail(path, O_WRONLY | O_CREAT | O_TRUNC), path};
}

PosixFile::PosixFile(PosixFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

PosixFile::~PosixFile() {
  if (fd_ >= 0) ::close(fd_);
}

void PosixFile::write_at(std::uint64_t offset, const void* data, std::size_t size_bytes) {
  const auto* bytes = static_cast<const char*>(data);
  while (size_bytes > 0) {
    const ssize_t n = ::pwrite(fd_, bytes, std::min(size_bytes, kMostBytes), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system("cannot write '{}': {}", path_, std::strerror(errno));
    bytes += n;
    offset += static_cast<std::uint64_t>(n);
    size_bytes -= static_cast<std::size_t>(n);
  }
}

void PosixFile::read_at(std::uint64_t offset, void* data, std::size_t size_bytes) const {
  auto* bytes = static_cast<char*>(data);
  while (size_bytes > 0) {
    const ssize_t n = ::pread(fd_, bytes, std::min(size_bytes, kMostBytes), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system("cannot read '{}': {}", path_, std::strerror(errno));
    if (n == 0) fail("'{}' ends before byte {}: it was cut short", path_, offset + size_bytes);
    bytes += n;
    offset += static_cast<std::uint64_t>(n);
    size_bytes -= static_cast<std::size_t>(n);
  }
}

std::uint64_t PosixFile::size_bytes() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail_system("cannot examine '{}': {}", path_, std::strerror(errno));
  return static_cast<std::uint64_t>(status.st_size);
}

void PosixFile::sync() {
  if (::fsync(fd_) != 0) fail_system("cannot flush '{}' to disk: {}", path_, std::strerror(errno));
}

void PosixFile::forget() const {
  ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);  // a hint: nothing depends on it
}

void sync_folder(const std::string& path) {
  const int fd = open_or_fail(path, O_RDONLY | O_DIRECTORY);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0) fail_system("cannot flush folder '{}' to disk: {}", path, std::strerror(error));
}

void publish_file(const std::string& temporary, const std::string& path) {
  PosixFile::open_write(temporary).sync();
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    fail_system("cannot rename '{}' to '{}': {}", temporary, path, std::strerror(errno));
  const std::string folder = std::filesystem::path(path).parent_path().string();
  sync_folder(folder.empty() ? "." : folder);
}

void replace_file(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp." + std::to_string(::getpid());
  try {
    PosixFile::create(temporary).write_at(0, content.data(), content.size());
    publish_file(temporary, path);
  } catch (...) {
    std::remove(temporary.c_str());
    throw;
  }
}

}  // namespace tessera::base
