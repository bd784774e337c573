// SPDX-License-Identifier: Apache-2.0
#include "tensor/arena.hpp"

#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "base/units.hpp"

namespace tessera::tensor {

void Arena::Free::operator()(std::byte* p) const {
  std::free(p);
}

Arena::Arena(std::size_t size_bytes) : size_((size_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes) {
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment_bytes, size_ ? size_ : alignment_bytes)));
  if (!memory_)
    base::fail("cannot allocate {}: use a smaller model or optim.micro_batch; `tessera check` predicts the memory",
               base::format_bytes(size_));
  std::memset(memory_.get(), 0, size_);
}

View Arena::take(base::DType dtype, Shape shape) {
  const std::size_t bytes = static_cast<std::size_t>(shape.num_elements()) * base::size_bytes(dtype);
  const std::size_t start = used_;
  used_ += (bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  if (measuring()) return {nullptr, dtype, shape};
  assert(used_ <= size_);
  return {memory_.get() + start, dtype, shape};
}

}  // namespace tessera::tensor
