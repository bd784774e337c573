// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/posix_file.hpp"
#include "checkpoint/new_file.hpp"

namespace tessera::checkpoint {

/// A checkpoint as one process writes it, one tensor after the other, in memory of its own choice.
class FileWriter {
 public:
  /// Lays the file out under a temporary name beside `path`. Throws as NewFile does.
  FileWriter(const std::string& path, const RunState& state, std::vector<Dataset> datasets);

  /// Elements of a dataset from the row-major index `first` on: each exactly once, in any order.
  void write(const std::string& dataset_path, std::int64_t first, std::span<const float> values);
  /// Gives the file its name. Throws std::logic_error unless every element was written.
  void publish();

 private:
  std::size_t index_of(const std::string& dataset_path) const;

  NewFile file_;
  base::PosixFile bytes_;
  std::vector<std::uint64_t> sums_;
  std::vector<std::int64_t> written_;  // elements of each dataset
};

}  // namespace tessera::checkpoint
