// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "tensor/cpu/matmul.hpp"

namespace tessera::tensor::cpu {

/// oneDNN's matrix products in bf16. A product of certain extents, steps and types is prepared once (oneDNN generates
/// its code) and kept.
class Bf16Products {
 public:
  explicit Bf16Products(int threads);
  ~Bf16Products();

  /// Prepares what multiply_tile will need for `product` cut into `tile`s. Called by one thread.
  void prepare(const Product& product, const ProductTile& tile);
  /// The tile at (first_row, first_column), computed by `thread` alone. Returns a oneDNN status, 0 = done.
  int multiply_tile(const Product& product, const ProductTile& tile, std::int64_t first_row, std::int64_t first_column,
                    int thread);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::tensor::cpu
