// SPDX-License-Identifier: Apache-2.0
#include "tensor/arena.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

#include "base/error.hpp"
#include "base/units.hpp"

namespace tessera::tensor {

void Arena::Free::operator()(std::byte* p) const {
  std::free(p);
}

namespace {

/// Buffers above one huge page start at one and ask for them: fewer misses of the address cache in kernels, and
/// messages between ranks of a node are copied by the page.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::byte* allocate(std::size_t size) {
  const std::size_t alignment = size >= kHugePage ? kHugePage : Arena::alignment_bytes;
  const std::size_t rounded = (std::max(size, alignment) + alignment - 1) / alignment * alignment;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  if (memory && size >= kHugePage) ::madvise(memory, size / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish only
  return memory;
}

}  // namespace

Arena::Arena(std::size_t size_bytes) : size_((size_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes) {
  memory_.reset(allocate(size_));
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
