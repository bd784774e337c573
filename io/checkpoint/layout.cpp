// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/layout.hpp"

namespace tessera::checkpoint {

void for_each_run(const tensor::Tile& tile, const std::function<void(const Run&)>& visit) {
  const int dims = tile.global_shape.num_dims();
  if (tile.num_elements() == 0) return;
  // Dims from `split` on are whole, so one run covers them and a stretch of dim split - 1.
  int split = dims;
  std::int64_t inner = 1;  // elements below dim split
  while (split > 0 && tile.extent[split - 1] == tile.global_shape[split - 1]) inner *= tile.global_shape[--split];
  std::int64_t run_elements = inner;
  int outer_dims = split;
  if (split > 0) {
    outer_dims = split - 1;
    run_elements *= tile.extent[outer_dims];
  }
  std::int64_t num_runs = 1;
  for (int dim = 0; dim < outer_dims; ++dim) num_runs *= tile.extent[dim];
  for (std::int64_t run = 0; run < num_runs; ++run) {
    std::int64_t rest = run, global = split > 0 ? tile.offset[outer_dims] * inner : 0;
    std::int64_t stride = split > 0 ? tile.global_shape[outer_dims] * inner : inner;
    for (int dim = outer_dims - 1; dim >= 0; --dim) {
      global += (tile.offset[dim] + rest % tile.extent[dim]) * stride;
      rest /= tile.extent[dim];
      stride *= tile.global_shape[dim];
    }
    visit({run * run_elements, global, run_elements});
  }
}

}  // namespace tessera::checkpoint
