// SPDX-License-Identifier: Apache-2.0
// One tensor after the other from our layout to GPT-2's and back, in memory of at most 1.5 times the largest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "convert/gpt2_layout.hpp"

namespace tessera::convert {

/// Elements of a tensor of that name from the row-major index `first` on, to be filled in.
using ReadElements = std::function<void(const std::string& name, std::uint64_t first, std::span<float> values)>;
/// The same, to be taken.
using WriteElements = std::function<void(const std::string& name, std::uint64_t first, std::span<const float> values)>;

/// The most memory that tensors were held in, and the size of the largest of them.
struct BufferUse {
  std::uint64_t peak_bytes = 0, largest_tensor_bytes = 0;
};

/// The memory that transfers work in, and the most of it that there has been.
class Workspace {
 public:
  /// A whole tensor, and a piece of one. What they held is lost; of each only the last is valid.
  std::span<float> tensor(std::uint64_t num_elements) { return take(tensor_, num_elements); }
  std::span<float> piece(std::uint64_t num_elements) { return take(piece_, num_elements); }
  std::uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  struct Buffer {
    std::unique_ptr<float[]> values;
    std::uint64_t size = 0;
  };
  std::span<float> take(Buffer& buffer, std::uint64_t num_elements);

  Buffer tensor_, piece_;
  std::uint64_t peak_bytes_ = 0;
};

/// Reads the parameters of `tensor` by their names and writes it, by its own name, from its first element to its last.
void to_gpt2(const Gpt2Tensor& tensor, const ReadElements& read_ours, const WriteElements& write_theirs,
             Workspace& workspace);

/// Reads `tensor` by its name and writes each of its parameters, from the first element to the last.
void from_gpt2(const Gpt2Tensor& tensor, const ReadElements& read_theirs, const WriteElements& write_ours,
               Workspace& workspace);

}  // namespace tessera::convert
