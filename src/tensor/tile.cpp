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

Tile cut(const Tile& tile, int dim, std::int64_t parts, std::int64_t index) {
  assert(dim < tile.extent.num_dims() && index < parts && tile.extent[dim] % parts == 0);
  Tile part = tile;
  const std::int64_t extent = tile.extent[dim] / parts;
  part.extent.set(dim, extent);
  part.offset.set(dim, tile.offset[dim] + index * extent);
  return part;
}

}  // namespace tessera::tensor
