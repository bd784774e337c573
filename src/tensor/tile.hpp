// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tensor/range.hpp"
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

/// The part of `tile` that lies in `range` of its own indices along `dim`.
Tile cut(const Tile& tile, int dim, Range range);

}  // namespace tessera::tensor
