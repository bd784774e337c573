// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/user_block.hpp"

namespace tessera::checkpoint {

/// A checkpoint as one process reads it, one tensor after the other. HDF5 has the file open during construction only.
class FileReader {
 public:
  /// What the file says of a tensor.
  struct Tensor : Dataset {
    std::uint64_t offset = 0;  ///< of its first byte
    std::string sum;           ///< sum64
    std::uint64_t size_bytes() const { return static_cast<std::uint64_t>(num_elements()) * sizeof(float); }
  };

  /// First block and metadata are checked before HDF5 sees a byte of it. Throws DamagedError naming file and remedy,
  /// and base::UsageError for a file that is absent or of another format.
  explicit FileReader(const std::string& path);

  const std::string& path() const { return path_; }
  std::uint64_t file_bytes() const { return block_.file_bytes; }
  const RunState& state() const { return state_; }
  /// By path.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  /// nullptr if there is none of that path.
  const Tensor* find(const std::string& path) const;
  /// "" without weights.
  const std::string& digest() const { return digest_; }
  /// False for a file of weights only, from which no training resumes.
  bool has_optimizer() const;

  /// Elements that are read at once where all of a tensor is: few enough to stay in the cache.
  static constexpr std::int64_t piece_elements = std::int64_t{1} << 18;
  /// values = elements from the row-major index `first` on.
  void read(const Tensor& tensor, std::int64_t first, std::span<float> values) const;
  /// Reads all of a tensor in pieces, in order.
  void for_each_piece(const Tensor& tensor,
                      const std::function<void(std::int64_t first, std::span<const float> values)>& visit) const;
  /// Reads all of a tensor. True if its bytes have its sum64.
  bool is_sound(const Tensor& tensor) const;
  /// The same, but throws DamagedError naming file and dataset.
  void verify(const Tensor& tensor) const;

 private:
  std::string path_, digest_;
  UserBlock block_;
  base::PosixFile bytes_;
  RunState state_;
  std::vector<Tensor> tensors_;
};

/// The state alone. Throws as FileReader does.
RunState read_state(const std::string& path);

}  // namespace tessera::checkpoint
