// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "safetensors/file.hpp"

namespace tessera::safetensors {

inline constexpr const char* single_file_name = "model.safetensors";
inline constexpr const char* index_file_name = "model.safetensors.index.json";

/// The tensors of a model in one file, or in several with an index that tells which tensor lies where.
class FileSet {
 public:
  /// A tensor and which of the files holds it.
  struct Tensor : TensorInfo {
    std::size_t file = 0;
  };

  /// `path`: a .safetensors file, or a folder that holds model.safetensors or model.safetensors.index.json with its
  /// files. Throws base::UsageError if it holds neither or both, if an index names a file outside the folder, or if
  /// index and files do not name the same tensors, each in one file.
  explicit FileSet(const std::string& path);

  /// Sorted by name.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::vector<File>& files() const { return files_; }
  /// nullptr if there is none of that name.
  const Tensor* find(const std::string& name) const;
  /// As File::read().
  void read(const Tensor& tensor, std::uint64_t first, std::span<float> values) const {
    files_[tensor.file].read(tensor, first, values);
  }

 private:
  void add(const std::string& path);

  std::vector<File> files_;
  std::vector<Tensor> tensors_;
};

/// True for the name of a .safetensors file that can only lie in the folder it is looked up in: no path, no "..". Pure.
bool is_plain_file_name(const std::string& name);

}  // namespace tessera::safetensors
