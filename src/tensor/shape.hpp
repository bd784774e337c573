// SPDX-License-Identifier: Apache-2.0
// Legend of dimension letters, used all over Tessera in comments such as `// [B, T, H]`:
//   B sequences of a micro-batch   T tokens of a sequence   R = B*T rows   H hidden   A attention heads   D = H/A head
//   F MLP width (4H)   V vocabulary   C context (most positions)   L layers   P ranks
// A size local to a rank gets the suffix t (tensor axis): Ht = H / tensor ranks.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace tessera::tensor {

/// Extents of a row-major tensor of up to four dimensions, slowest first.
class Shape {
 public:
  static constexpr int max_dims = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) {
    assert(extents.size() <= max_dims);
    for (std::int64_t extent : extents) extents_[static_cast<std::size_t>(num_dims_++)] = extent;
  }

  int num_dims() const { return num_dims_; }
  std::int64_t operator[](int dim) const { return extents_[static_cast<std::size_t>(dim)]; }
  void set(int dim, std::int64_t extent) { extents_[static_cast<std::size_t>(dim)] = extent; }

  std::int64_t num_elements() const {
    std::int64_t product = 1;
    for (int dim = 0; dim < num_dims_; ++dim) product *= (*this)[dim];
    return product;
  }

  /// "[2, 3, 4]"
  std::string str() const;

  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, max_dims> extents_{};
  int num_dims_ = 0;
};

}  // namespace tessera::tensor
