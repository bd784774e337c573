// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/tile.hpp"

namespace tessera::checkpoint {

/// One run of elements that is contiguous both in the tile's memory and in the global tensor.
struct Run {
  std::int64_t tile_element = 0;    ///< first element within the tile
  std::int64_t global_element = 0;  ///< first element within the row-major global tensor
  std::int64_t num_elements = 0;
};

/// Visits the fewest runs that make up `tile`, in order. Pure.
void for_each_run(const tensor::Tile& tile, const std::function<void(const Run&)>& visit);

}  // namespace tessera::checkpoint
