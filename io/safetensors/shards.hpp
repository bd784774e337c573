// SPDX-License-Identifier: Apache-2.0
// How tensors are shared out to files, and what stands in front of them. All of it pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::safetensors {

/// A tensor of F32 that is to be written.
struct TensorSpec {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::uint64_t num_elements() const;
};

/// One file: its tensors, and all bytes in front of them.
struct Shard {
  std::string file_name;
  std::vector<TensorSpec> tensors;
  std::string beginning;  ///< size field and header; the tensors follow without a gap
};

/// Tensors in their order, file by file; a file is full where the next tensor would make its tensors take more than
/// `max_bytes`, so a larger tensor has a file of its own. One file is called model.safetensors, several
/// model-00001-of-00002.safetensors and so on.
std::vector<Shard> plan_shards(const std::vector<TensorSpec>& tensors, std::uint64_t max_bytes);

/// The text of model.safetensors.index.json.
std::string index_of(const std::vector<Shard>& shards);

}  // namespace tessera::safetensors
