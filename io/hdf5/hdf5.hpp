// SPDX-License-Identifier: Apache-2.0
// RAII over the serial HDF5 library. hdf5.h stays in this room: handles are plain 64-bit integers here.
// Used by one thread of a process at a time. Every failure throws base::Error with the file, the object and HDF5's
// reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.hpp"

namespace tessera::hdf5 {

enum class Type : std::uint8_t { f32, f64, i32, i64, u8, u16, u32, u64 };
std::size_t size_bytes(Type type);
/// "HDF5 1.10.8"
std::string library_version();

/// What is known of a dataset without reading it.
struct DatasetInfo {
  std::string path;  ///< "/model/token_embedding"
  Type type = Type::f32;
  std::vector<std::uint64_t> shape;
  bool contiguous = false;        ///< one run of bytes in the file
  std::uint64_t file_offset = 0;  ///< first byte of a contiguous, allocated dataset, the user block included
};

/// An open file; closed by the destructor. Move-only.
class File {
 public:
  /// New file (must not exist) with libver bounds V110, no file locking, and a user block of `user_block_bytes` (0 or a
  /// power of two >= 512). Metadata is allocated in blocks of at least `metadata_bytes`: with as much as the file
  /// needs, its datasets lie back to back behind it.
  static File create(const std::string& path, std::uint64_t user_block_bytes = 0, std::uint64_t metadata_bytes = 2048);
  static File open_read_only(const std::string& path);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  /// Creates all missing groups of the path.
  void create_group(const std::string& path);
  /// Contiguous dataset whose space is allocated at once (early allocation, never filled), parents created.
  /// Returns its info with file_offset, so that others can write its bytes with pwrite.
  DatasetInfo create_dataset(const std::string& path, Type type, const std::vector<std::uint64_t>& shape);
  void write(const std::string& path, const void* data, std::size_t size_bytes);  ///< whole dataset
  void read(const std::string& path, void* data, std::size_t size_bytes) const;   ///< whole dataset; size must match
  DatasetInfo info(const std::string& path) const;
  bool exists(const std::string& path) const;
  /// Paths of all datasets, depth first, in alphabetical order.
  std::vector<std::string> datasets() const;

  /// Scalar attributes on a group or dataset ("/" for the root): fixed-length strings and 64-bit integers. A new value
  /// of the old size is written where the old one stood.
  void set_attribute(const std::string& path, const std::string& name, const std::string& value);
  void set_attribute(const std::string& path, const std::string& name, std::int64_t value);
  std::string string_attribute(const std::string& path, const std::string& name) const;
  std::int64_t int_attribute(const std::string& path, const std::string& name) const;
  bool has_attribute(const std::string& path, const std::string& name) const;

  /// A UTF-8 text of any length as a u8 dataset.
  void write_text(const std::string& path, const std::string& text);
  std::string read_text(const std::string& path) const;

  void flush();
  void close();  ///< throws if HDF5 reports an error, which the destructor passes over

 private:
  File(std::int64_t id, std::string path) : id_(id), path_(std::move(path)) {}
  std::int64_t id_ = -1;
  std::string path_;
};

}  // namespace tessera::hdf5
