// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/ordered_sum.hpp"

#include <algorithm>

#include "tensor/ops.hpp"

namespace tessera::data_parallel {

void sum_in_order(tensor::Device& device, std::span<const tensor::View> parts, tensor::View out) {
  using tensor::View;
  constexpr std::int64_t kBlock = std::int64_t{1} << 18;  // elements: the running sum stays in the cache
  const std::int64_t size = out.num_elements();
  auto* scratch = reinterpret_cast<float*>(device.scratch(2 * static_cast<std::size_t>(kBlock) * sizeof(float)));
  for (std::int64_t first = 0; first < size; first += kBlock) {
    const std::int64_t count = std::min(kBlock, size - first);
    const View total(scratch, {count}), widened(scratch + kBlock, {count});
    const auto block_of = [&](const View& view) { return view.reshaped({size}).rows(first, count); };
    View sum;  // of the parts so far
    for (const View& part : parts) {
      View next = block_of(part);
      if (next.dtype() == base::DType::bf16) {
        const View target = sum.empty() ? total : widened;
        tensor::widen(device, next, target);
        next = target;
      }
      if (!sum.empty()) tensor::add(device, sum, next, total);
      sum = sum.empty() ? next : total;
    }
    if (out.dtype() == base::DType::bf16)
      tensor::round(device, sum, block_of(out));
    else
      std::copy_n(sum.as<float>(), count, block_of(out).as<float>());
  }
}

}  // namespace tessera::data_parallel
