// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/dropout.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

template <class T>
void embedding_forward(const EmbeddingArgs& args, const T* token_table, const T* position_table,
                       const DropoutArgs& dropout, float* x, int threads) {
  const std::int64_t width = args.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const T* token = token_table + args.tokens[row] * width;
    const T* position = position_table + (args.position_offset + row % args.length) * width;
    float* out = x + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i) out[i] = load(token[i]) + load(position[i]);
    if (dropout.active) drop_row(dropout, row, width, 0, width, out, out);
  }
}

template void embedding_forward(const EmbeddingArgs&, const float*, const float*, const DropoutArgs&, float*, int);
template void embedding_forward(const EmbeddingArgs&, const Bf16*, const Bf16*, const DropoutArgs&, float*, int);

/// Rows of one token may lie anywhere, so threads share the columns: each walks all rows in order.
void embedding_backward(const EmbeddingArgs& args, const float* dx, const DropoutArgs& dropout, float* dtoken_table,
                        float* dposition_table, int threads) {
  constexpr std::int64_t kColumns = 64;
  const std::int64_t width = args.width;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t column = 0; column < width; column += kColumns) {
    const std::int64_t n = least(kColumns, width - column);
    for (std::int64_t row = 0; row < args.rows; ++row) {
      const float* from = dx + row * width + column;
      alignas(64) float kept[kColumns];
      if (dropout.active) {
        drop_row(dropout, row, width, column, n, from, kept);
        from = kept;
      }
      float* token = dtoken_table + args.tokens[row] * width + column;
      float* position = dposition_table + (args.position_offset + row % args.length) * width + column;
      for (std::int64_t i = 0; i < n; ++i) token[i] += from[i];
      for (std::int64_t i = 0; i < n; ++i) position[i] += from[i];
    }
  }
}

}  // namespace tessera::tensor::cpu::TESSERA_ISA
