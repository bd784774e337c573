// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tessera::checkpoint {

/// A file descriptor that is closed by the destructor. Every failure throws base::Error with path, operation and cause.
class PosixFile {
 public:
  static PosixFile open_read(const std::string& path);
  static PosixFile open_write(const std::string& path);  ///< existing file, without truncating it
  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&&) = delete;
  ~PosixFile();

  void write_at(std::uint64_t offset, const void* data, std::size_t size_bytes);
  /// Throws if the file ends before `size_bytes` are read.
  void read_at(std::uint64_t offset, void* data, std::size_t size_bytes) const;
  std::uint64_t size_bytes() const;
  void sync();

 private:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

/// fsync of a folder: makes a rename in it survive a power cut.
void sync_folder(const std::string& path);

}  // namespace tessera::checkpoint
