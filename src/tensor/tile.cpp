// SPDX-License-Identifier: Apache-2.0
#include "tensor/tile.hpp"

#include <cassert>
#include <fmt/core.h>

namespace tessera::tensor {

std::string Shape::str() const {
  std::string text = "[";
  for (int dim = 0; dim < num_dims_; ++dim) text += fmt::format("{}{}", dim ? ", " : "", (*this)[dim]);
  return text + "]";
}

Tile whole(std::string name, Shape shape) {
  Shape zero = shape;
  for (int dim = 0; dim < zero.num_dims(); ++dim) zero.set(dim, 0);
  return {std::move(name), shape, zero, shape};
}

Tile cut(const Tile& tile, int dim, Range range) {
  assert(dim < tile.extent.num_dims() && range.first >= 0 && range.last() <= tile.extent[dim]);
  Tile part = tile;
  part.extent.set(dim, range.size);
  part.offset.set(dim, tile.offset[dim] + range.first);
  return part;
}

}  // namespace tessera::tensor
