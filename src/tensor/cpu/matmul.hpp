// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tensor::cpu {

/// A matrix in memory: element (i, j) at data[i * row_step + j * column_step]; one of the steps is 1.
struct Matrix {
  const float* data;
  std::int64_t row_step, column_step;
};

/// One product c [M, N] (+)= a [M, K] b [K, N] + bias [N], c row-major without gaps.
struct Product {
  std::int64_t m, n, k;
  Matrix a, b;
  float* c;
  const float* bias;  ///< nullptr: none
  bool accumulate;    ///< += (then without bias)
};

/// Rows and columns of the parts of c that are computed on their own.
struct ProductTile {
  std::int64_t rows, columns;
};

/// The tile for c [M, N]: a function of the extents alone. Pure.
ProductTile choose_tile(std::int64_t m, std::int64_t n);

/// oneDNN behind one door; dnnl.h stays in matmul.cpp. oneDNN's own threads choose other kernels at the edges of their
/// shares, so that bits depend on their number. Therefore c is cut into tiles by its extents alone, and each tile is
/// one product of one thread.
class MatmulEngine {
 public:
  explicit MatmulEngine(int threads);
  void multiply(const Product& product);
  static std::string library_version();
  /// Rate of the library's own product of two n x n matrices with its own threads: best of four, GFLOP/s.
  static double library_gflops(std::int64_t n, int threads);

 private:
  struct Buffers {
    std::vector<float> a, b;
  };
  void multiply_tile(const Product& product, const ProductTile& tile, std::int64_t first_row,
                     std::int64_t first_column);

  int threads_;
  std::vector<Buffers> buffers_;  // of each thread
};

}  // namespace tessera::tensor::cpu
