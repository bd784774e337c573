// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/matmul.hpp"

#include <algorithm>
#include <dnnl.h>
#include <fmt/core.h>
#include <limits>
#include <omp.h>
#include <stdexcept>

namespace tessera::tensor::cpu {
namespace {

constexpr std::int64_t kLargestTile = 512, kSmallestTile = 64, kWantedTiles = 16;

/// oneDNN reads the factors along K. Where the elements of one k lie side by side, the next k is a step further, and a
/// step that is a multiple of this many floats puts all of them into the same few sets of the cache: less than half the
/// rate (36 instead of 90 GFLOP/s on a core of Zen 3), so such a factor is copied first.
constexpr std::int64_t kBadStep = 1024;
constexpr std::int64_t kPadding = 16;  // one cache line

/// `width` floats of each of `depth` rows that are `step` apart; copied to `buffer` if the step is a bad one.
const float* with_good_step(const float* data, std::int64_t depth, std::int64_t width, std::int64_t& step,
                            std::vector<float>& buffer) {
  if (step % kBadStep != 0 || depth == 1) return data;
  const std::int64_t new_step = width + kPadding;
  if (static_cast<std::int64_t>(buffer.size()) < new_step * depth)
    buffer.resize(static_cast<std::size_t>(new_step * depth));
  for (std::int64_t k = 0; k < depth; ++k) std::copy_n(data + k * step, width, buffer.data() + k * new_step);
  step = new_step;
  return buffer.data();
}

std::int64_t num_parts(std::int64_t size, std::int64_t part) {
  return (size + part - 1) / part;
}

}  // namespace

ProductTile choose_tile(std::int64_t m, std::int64_t n) {
  ProductTile tile{std::min(m, kLargestTile), std::min(n, kLargestTile)};
  while (num_parts(m, tile.rows) * num_parts(n, tile.columns) < kWantedTiles) {
    std::int64_t& larger = tile.rows >= tile.columns ? tile.rows : tile.columns;
    if (larger <= kSmallestTile) break;
    larger = std::max(kSmallestTile, (larger / 2 + kPadding - 1) / kPadding * kPadding);
  }
  return tile;
}

MatmulEngine::MatmulEngine(int threads) : threads_(threads), buffers_(static_cast<std::size_t>(threads)) {}

void MatmulEngine::multiply_tile(const Product& p, const ProductTile& tile, std::int64_t first_row,
                                 std::int64_t first_column) {
  const std::int64_t rows = std::min(tile.rows, p.m - first_row), columns = std::min(tile.columns, p.n - first_column);
  const bool a_transposed = p.a.column_step != 1, b_transposed = p.b.column_step != 1;
  const float* a = p.a.data + first_row * p.a.row_step;
  const float* b = p.b.data + first_column * p.b.column_step;
  std::int64_t a_step = a_transposed ? p.a.column_step : p.a.row_step;
  std::int64_t b_step = b_transposed ? p.b.column_step : p.b.row_step;
  float* c = p.c + first_row * p.n + first_column;
  Buffers& buffers = buffers_[static_cast<std::size_t>(omp_get_thread_num())];
  if (a_transposed) a = with_good_step(a, p.k, rows, a_step, buffers.a);
  if (!b_transposed) b = with_good_step(b, p.k, columns, b_step, buffers.b);
  if (p.bias)
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(p.bias + first_column, columns, c + i * p.n);
  const dnnl_status_t status = dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', rows, columns, p.k, 1.0f,
                                          a, a_step, b, b_step, p.bias || p.accumulate ? 1.0f : 0.0f, c, p.n);
  if (status != dnnl_success)
    throw std::logic_error(fmt::format("oneDNN refused a product of {} x {} x {}: status {}", rows, columns, p.k,
                                       static_cast<int>(status)));
}

void MatmulEngine::multiply(const Product& product) {
  omp_set_num_threads(1);  // for oneDNN where our own region has one thread: it then would start its own
  const ProductTile tile = choose_tile(product.m, product.n);
  const std::int64_t rows = num_parts(product.m, tile.rows), columns = num_parts(product.n, tile.columns);
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads_)
  for (std::int64_t j = 0; j < columns; ++j)
    for (std::int64_t i = 0; i < rows; ++i) multiply_tile(product, tile, i * tile.rows, j * tile.columns);
}

double MatmulEngine::library_gflops(std::int64_t n, int threads) {
  const auto size = static_cast<std::size_t>(n * n);
  const std::vector<float> a(size, 0.5f), b(size, 0.25f);  // zeros or denormals could run at another speed
  std::vector<float> c(size);
  omp_set_num_threads(threads);
  double best_seconds = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 4; ++run) {
    const double start = omp_get_wtime();
    dnnl_sgemm('N', 'N', n, n, n, 1.0f, a.data(), n, b.data(), n, 0.0f, c.data(), n);
    best_seconds = std::min(best_seconds, omp_get_wtime() - start);
  }
  omp_set_num_threads(1);
  return 2e-9 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / best_seconds;
}

std::string MatmulEngine::library_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace tessera::tensor::cpu
