// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/matmul.hpp"

#include <algorithm>
#include <dnnl.h>
#include <fmt/core.h>
#include <limits>
#include <omp.h>
#include <stdexcept>

#include "tensor/cpu/bf16_products.hpp"

namespace tessera::tensor::cpu {
namespace {

/// Tiles are as large as they may be, since each packs its factors anew; but there shall be kWantedTiles while they are
/// above kSmallTile elements, 4 while above kTinyTile. Widths that oneDNN's kernels divide (64) cost nothing at the
/// edges.
constexpr std::int64_t kMostRows = 1024, kMostColumns = 384, kColumnStep = 64, kLeast = 64;
constexpr std::int64_t kWantedTiles = 16, kSmallTile = 768 * 384, kTinyTile = 128 * 128;

/// oneDNN reads the factors along K. Where the elements of one k lie side by side, the next k is a step further, and a
/// step that is a multiple of this many floats puts all of them into the same few sets of the cache: less than half the
/// rate (36 instead of 90 GFLOP/s on a core of Zen 3), so such a factor is copied first, kCopyDepth of K at a time.
constexpr std::int64_t kBadStep = 1024, kCopyDepth = 2048;
constexpr std::int64_t kPadding = 16;  // one cache line

bool is_bad(std::int64_t step, std::int64_t depth) {
  return step % kBadStep == 0 && depth > 1;
}

/// `width` floats of each of `depth` rows that are `step` apart, copied to `buffer` [depth, width + kPadding].
const float* copied(const float* data, std::int64_t depth, std::int64_t width, std::int64_t& step, float* buffer) {
  const std::int64_t new_step = width + kPadding;
  for (std::int64_t k = 0; k < depth; ++k) std::copy_n(data + k * step, width, buffer + k * new_step);
  step = new_step;
  return buffer;
}

std::int64_t num_parts(std::int64_t size, std::int64_t part) {
  return (size + part - 1) / part;
}

std::int64_t round_up(std::int64_t size, std::int64_t step) {
  return num_parts(size, step) * step;
}

bool copies_a(const Product& p) {
  return p.a.column_step != 1 && is_bad(p.a.column_step, p.k);
}

bool copies_b(const Product& p) {
  return p.b.column_step == 1 && is_bad(p.b.row_step, p.k);
}

/// `size` in the fewest equal parts of at most `most`, rounded up to a multiple of `step`.
std::int64_t even_part(std::int64_t size, std::int64_t most, std::int64_t step) {
  return std::min(size, round_up(num_parts(size, num_parts(size, most)), step));
}

}  // namespace

ProductTile choose_tile(std::int64_t m, std::int64_t n, bool a_transposed) {
  // Of a transposed factor the elements of one k are packed together: there few rows and many columns pay.
  const std::int64_t most_rows = a_transposed ? kMostColumns : kMostRows;
  const std::int64_t most_columns = a_transposed ? 2 * kMostColumns : kMostColumns;
  ProductTile tile{even_part(m, most_rows, kPadding), even_part(n, most_columns, kColumnStep)};
  for (;;) {
    const std::int64_t tiles = num_parts(m, tile.rows) * num_parts(n, tile.columns);
    const std::int64_t size = tile.rows * tile.columns;
    if (tiles >= kWantedTiles || (tiles >= 4 && size <= kSmallTile) || (tiles >= 2 && size <= kTinyTile)) break;
    const bool cut_rows = tile.rows >= tile.columns;
    std::int64_t& larger = cut_rows ? tile.rows : tile.columns;
    if (larger <= kLeast) break;
    larger = std::max(kLeast, round_up((larger + 1) / 2, cut_rows ? kPadding : kColumnStep));
  }
  return tile;
}

MatmulEngine::MatmulEngine(int threads) : threads_(threads), buffers_(static_cast<std::size_t>(threads)) {}

MatmulEngine::~MatmulEngine() = default;

std::size_t MatmulEngine::work_bytes(const Product& p) {
  constexpr std::int64_t kPackedDepth = 4096;  // oneDNN packs no more of K at a time
  const ProductTile tile = choose_tile(p.m, p.n, p.a.column_step != 1);
  std::int64_t elements = (tile.rows + tile.columns) * std::min(p.k, kPackedDepth);
  if (p.type == base::DType::bf16) return static_cast<std::size_t>(elements) * sizeof(base::Bf16);
  elements += std::min<std::int64_t>(elements, 1 << 20);  // kept by oneDNN's allocations beside the packed factors
  if (copies_a(p)) elements += (tile.rows + kPadding) * std::min(p.k, kCopyDepth);
  if (copies_b(p)) elements += (tile.columns + kPadding) * std::min(p.k, kCopyDepth);
  return static_cast<std::size_t>(elements) * sizeof(float);
}

void MatmulEngine::reserve(const Product& p, const ProductTile& tile) {
  const auto floats = [&p](bool copy, std::int64_t width) {
    return copy ? static_cast<std::size_t>(std::min(p.k, kCopyDepth) * (width + kPadding)) : std::size_t{0};
  };
  const std::size_t a = floats(copies_a(p), tile.rows), b = floats(copies_b(p), tile.columns);
  for (Buffers& buffers : buffers_) {
    if (buffers.a.size() < a) buffers.a.resize(a);
    if (buffers.b.size() < b) buffers.b.resize(b);
  }
}

int MatmulEngine::multiply_tile(const Product& p, const ProductTile& tile, std::int64_t first_row,
                                std::int64_t first_column) {
  const std::int64_t rows = std::min(tile.rows, p.m - first_row), columns = std::min(tile.columns, p.n - first_column);
  const bool a_transposed = p.a.column_step != 1, b_transposed = p.b.column_step != 1;
  const auto* a = static_cast<const float*>(p.a.data) + first_row * p.a.row_step;
  const auto* b = static_cast<const float*>(p.b.data) + first_column * p.b.column_step;
  float* c = static_cast<float*>(p.c) + first_row * p.n + first_column;
  Buffers& buffers = buffers_[static_cast<std::size_t>(omp_get_thread_num())];
  if (p.bias)
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(p.bias + first_column, columns, c + i * p.n);
  bool accumulate = p.bias || p.accumulate;
  const std::int64_t chunk = copies_a(p) || copies_b(p) ? kCopyDepth : std::max<std::int64_t>(1, p.k);
  int status = dnnl_success;
  for (std::int64_t first = 0; first < std::max<std::int64_t>(1, p.k) && status == dnnl_success; first += chunk) {
    const std::int64_t depth = std::min(chunk, p.k - first);
    const float *a_at = a + first * p.a.column_step, *b_at = b + first * p.b.row_step;
    std::int64_t a_step = a_transposed ? p.a.column_step : p.a.row_step;
    std::int64_t b_step = b_transposed ? p.b.column_step : p.b.row_step;
    if (copies_a(p)) a_at = copied(a_at, depth, rows, a_step, buffers.a.data());
    if (copies_b(p)) b_at = copied(b_at, depth, columns, b_step, buffers.b.data());
    status = static_cast<int>(dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', rows, columns, depth, 1.0f,
                                         a_at, a_step, b_at, b_step, accumulate ? 1.0f : 0.0f, c, p.n));
    accumulate = true;
  }
  return status;
}

void MatmulEngine::multiply(const Product& product) {
  if (product.m == 0 || product.n == 0) return;
  omp_set_num_threads(1);  // for oneDNN where our own region has one thread: it then would start its own
  const ProductTile tile = choose_tile(product.m, product.n, product.a.column_step != 1);
  const bool bf16 = product.type == base::DType::bf16;
  if (bf16) {
    if (!bf16_) bf16_ = std::make_unique<Bf16Products>(threads_);
    bf16_->prepare(product, tile);
  } else {
    reserve(product, tile);
  }
  const std::int64_t rows = num_parts(product.m, tile.rows), columns = num_parts(product.n, tile.columns);
  int status = dnnl_success;  // nothing may be thrown out of a parallel region
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(threads_) reduction(max : status)
  for (std::int64_t j = 0; j < columns; ++j)
    for (std::int64_t i = 0; i < rows; ++i)
      status = std::max(
          status, bf16 ? bf16_->multiply_tile(product, tile, i * tile.rows, j * tile.columns, omp_get_thread_num())
                       : multiply_tile(product, tile, i * tile.rows, j * tile.columns));
  if (status != dnnl_success)
    throw std::logic_error(fmt::format("oneDNN refused a product of {} x {} x {} ({}): status {}", product.m, product.n,
                                       product.k, base::name_of(product.type), status));
}

bool MatmulEngine::has_bf16() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") != 0;
}

double MatmulEngine::library_gflops(base::DType type, std::int64_t n, int threads) {
  const auto size = static_cast<std::size_t>(n * n);
  const std::vector<float> a(size, 0.5f), b(size, 0.25f);  // zeros or denormals could run at another speed
  const std::vector<base::Bf16> a16(size, {0x3F00}), b16(size, {0x3E80});
  std::vector<float> c(size);
  std::vector<base::Bf16> c16(size);
  Bf16Products products(1);
  Product product{n, n, n, base::DType::bf16, {a16.data(), n, 1}, {b16.data(), n, 1}};
  product.c = c16.data();
  product.c_type = base::DType::bf16;
  omp_set_num_threads(threads);
  if (type == base::DType::bf16) products.prepare(product, {n, n});
  double best_seconds = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 4; ++run) {
    const double start = omp_get_wtime();
    if (type == base::DType::bf16)
      products.multiply_tile(product, {n, n}, 0, 0, 0);
    else
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
