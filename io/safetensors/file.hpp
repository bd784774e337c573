// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/posix_file.hpp"
#include "safetensors/header.hpp"

namespace tessera::safetensors {

/// One open safetensors file, of which only the header is in memory.
class File {
 public:
  /// Throws base::UsageError if it is no regular file or parse_header() refuses it, base::SystemError if it cannot be
  /// read.
  explicit File(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }

  /// Elements of one of tensors() from row-major index `first` on, as floats, with no memory but `values`. Throws
  /// base::UsageError naming file, tensor and type unless is_readable(), and std::logic_error beyond its end.
  void read(const TensorInfo& tensor, std::uint64_t first, std::span<float> values) const;

 private:
  std::string path_;
  base::PosixFile bytes_;
  std::vector<TensorInfo> tensors_;
};

}  // namespace tessera::safetensors
