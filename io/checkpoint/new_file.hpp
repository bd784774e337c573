// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "hdf5/hdf5.hpp"

namespace tessera::checkpoint {

/// A checkpoint in the making, held by one process: HDF5 lays it out, pwrite fills it.
///   NewFile(...)   temporary name, all but the tensors' bytes and checksums
///   others write the tensors at offsets() and flush what they wrote
///   set_sums(...)  checksums of the tensors; HDF5 is done
///   publish()      first block, fsync, rename, fsync of the folder
/// A crash at any instant leaves the file that had the name before, or the new one. Destroyed before it is published,
/// it removes the temporary file.
class NewFile {
 public:
  /// Throws base::SystemError naming folder, need and what is free if there is no room for the whole file, and
  /// base::Error for other troubles.
  NewFile(std::string path, const RunState& state, std::vector<Dataset> datasets);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  const std::string& temporary() const { return temporary_; }
  const std::vector<Dataset>& datasets() const { return datasets_; }
  /// First byte of each dataset.
  const std::vector<std::uint64_t>& offsets() const { return offsets_; }

  /// sum64 of each dataset.
  void set_sums(const std::vector<std::uint64_t>& sums);
  /// Calls no HDF5, so another thread may.
  void publish();

 private:
  std::string path_, temporary_;
  std::int64_t step_ = 0;
  std::uint64_t block_bytes_ = 0;
  std::vector<Dataset> datasets_;
  std::vector<std::uint64_t> offsets_;
  std::optional<hdf5::File> file_;
  bool published_ = false;
};

/// Throws base::SystemError unless a file of so many bytes finds room in `dir`: blocks and a file number. Quotas do not
/// show here.
void require_room(const std::string& dir, std::uint64_t size_bytes);

}  // namespace tessera::checkpoint
