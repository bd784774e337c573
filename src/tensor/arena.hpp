// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/view.hpp"

namespace tessera::tensor {

/// One allocation, carved once: weights, gradients, activations and moments each live in one. A default-constructed
/// Arena only measures: take() returns empty views and used_bytes() says how much a real one needs, so that the memory
/// plan and the allocation come from the same carving code.
class Arena {
 public:
  static constexpr std::size_t alignment_bytes = 64;

  Arena() = default;
  /// Allocates `size_bytes`, zeroed and touched. Throws base::Error naming the size if memory is short.
  explicit Arena(std::size_t size_bytes);

  bool measuring() const { return memory_ == nullptr; }
  /// The next `shape.num_elements()` elements, aligned to 64 bytes.
  View take(base::DType dtype, Shape shape);
  std::size_t used_bytes() const { return used_; }
  std::size_t size_bytes() const { return size_; }
  std::byte* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

}  // namespace tessera::tensor
