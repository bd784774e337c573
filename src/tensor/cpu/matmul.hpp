// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.hpp"

namespace tessera::tensor::cpu {

/// A matrix in memory: element (i, j) at data[i * row_step + j * column_step]; one of the steps is 1.
struct Matrix {
  const void* data;
  std::int64_t row_step, column_step;
};

/// One product c [M, N] (+)= a [M, K] b [K, N] + bias [N], c row-major without gaps. a and b are f32, then so is c; or
/// bf16, and c is bf16 or f32. Sums are f32.
struct Product {
  std::int64_t m, n, k;
  base::DType type;  ///< of a and b
  Matrix a, b;
  void* c = nullptr;
  base::DType c_type = base::DType::f32;
  const float* bias = nullptr;  ///< nullptr: none
  bool accumulate = false;      ///< += (then without bias)
};

/// Rows and columns of the parts of c that are computed on their own.
struct ProductTile {
  std::int64_t rows, columns;
};

/// The tile for c [M, N]: a function of the extents and of whether a lies transposed, never of the threads. Pure.
ProductTile choose_tile(std::int64_t m, std::int64_t n, bool a_transposed);

class Bf16Products;

/// oneDNN behind one door. oneDNN's own threads choose other kernels at the edges of their shares, so that bits depend
/// on their number. Therefore c is cut into tiles by its extents alone, and each tile is one product of one thread.
class MatmulEngine {
 public:
  explicit MatmulEngine(int threads);
  ~MatmulEngine();
  /// Throws std::logic_error if oneDNN refuses the product.
  void multiply(const Product& product);
  /// Bytes that `product` makes one thread hold: copies of its factors here and inside oneDNN. The latter were measured
  /// (oneDNN 2.6 on AVX-512) and follow its tile and depth within a third.
  static std::size_t work_bytes(const Product& product);
  static std::string library_version();
  /// Rate of the library's own product of two n x n matrices of this type with its own threads: best of four, GFLOP/s.
  static double library_gflops(base::DType type, std::int64_t n, int threads);
  /// True if this CPU multiplies bf16 in hardware (AVX512-BF16).
  static bool has_bf16();

 private:
  struct Buffers {
    std::vector<float> a, b;
  };
  void reserve(const Product& product, const ProductTile& tile);
  int multiply_tile(const Product& product, const ProductTile& tile, std::int64_t first_row, std::int64_t first_column);

  int threads_;
  std::vector<Buffers> buffers_;  // of each thread
  std::unique_ptr<Bf16Products> bf16_;
};

}  // namespace tessera::tensor::cpu
