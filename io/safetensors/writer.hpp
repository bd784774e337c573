// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "safetensors/output_folder.hpp"
#include "safetensors/shards.hpp"

namespace tessera::safetensors {

/// Writes the tensors of a model, in F32 and piece by piece, into the files of plan_shards().
class Writer {
 public:
  /// Creates the files, with their headers, in `folder`, which must outlive this. Throws base::UsageError for a tensor
  /// that comes twice, base::SystemError if a file cannot be written.
  Writer(OutputFolder& folder, const std::vector<TensorSpec>& tensors, std::uint64_t max_shard_bytes);

  /// Writes the next elements of a tensor, row-major. Throws std::logic_error for an unknown tensor or beyond its end.
  void append(const std::string& tensor, std::span<const float> values);
  /// Writes the index, if there are several files. Throws std::logic_error if a tensor is not whole. The folder is left
  /// to be published.
  void finish();

 private:
  struct Place {
    std::size_t file;
    std::uint64_t offset, size_bytes, written_bytes;
  };

  OutputFolder* folder_;
  std::vector<Shard> shards_;
  std::vector<base::PosixFile> files_;
  std::map<std::string, Place> places_;
};

}  // namespace tessera::safetensors
