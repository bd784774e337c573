// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::base {

/// A file descriptor that is closed by the destructor. Every failure throws base::Error with path, operation and cause.
class PosixFile {
 public:
  static PosixFile open_read(const std::string& path);
  static PosixFile open_write(const std::string& path);  ///< existing file, without truncating it
  static PosixFile create(const std::string& path);      ///< new, or emptied
  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&&) = delete;
  ~PosixFile();

  void write_at(std::uint64_t offset, const void* data, std::size_t size_bytes);
  /// Throws if the file ends before `size_bytes` are read.
  void read_at(std::uint64_t offset, void* data, std::size_t size_bytes) const;
  std::uint64_t size_bytes() const;
  void sync();
  /// Asks the system to forget what it remembers of the file's bytes, those on disk at least: to measure real reads.
  void forget() const;

 private:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

/// fsync of a folder: makes a rename in it survive a power cut.
void sync_folder(const std::string& path);

/// Gives a file that is complete its name: fsync, rename, fsync of the folder. A crash at any instant leaves the old
/// file of that name or the new one, never half of one. Throws base::Error.
void publish_file(const std::string& temporary, const std::string& path);

/// Writes a whole file in that way, under a temporary name that is gone if it fails. Throws base::Error.
void replace_file(const std::string& path, std::string_view content);

}  // namespace tessera::base
