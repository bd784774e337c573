// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tensor/shape.hpp"

namespace tessera::tensor {

/// The part of a named global tensor that one rank holds: the rectangle [offset, offset + extent) of `global_shape`.
/// Weights, gradients, moments and checkpoints all speak tiles.
struct Tile {
  std::string name;
  Shape global_shape;
  Shape offset;
  Shape extent;

  std::int64_t num_elements() const { return extent.num_elements(); }
  bool covers_all() const { return extent == global_shape; }
};

/// The tile that is the whole tensor.
Tile whole(std::string name, Shape shape);

/// Part `index` of `parts` equal parts along `dim`; the extent of that dim must divide by `parts`.
Tile cut(const Tile& tile, int dim, std::int64_t parts, std::int64_t index);

}  // namespace tessera::tensor
