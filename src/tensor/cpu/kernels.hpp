// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tensor/activation.hpp"
#include "tensor/cpu/attention_args.hpp"

namespace tessera::tensor::cpu {

/// Kernels that exist for each element type T of weights and activations: float and Bf16. What flows along the residual
/// stream, statistics and gradients of parameters are float in both. They trust their arguments; results do not depend
/// on `threads` >= 1. Rows R, width H etc. are those of the operation of the same name in tensor/ops.hpp.
template <class T>
struct ElementKernels {
  /// out [N] += column sums of x [R, N]; partials [row_chunks, N] is work space.
  void (*column_sums)(std::int64_t rows, std::int64_t width, const T* x, float* out, float* partials, int threads);
  void (*dropout)(std::int64_t rows, std::int64_t width, const float* x, const DropoutArgs& dropout, T* y, int threads);
  void (*embedding_lookup)(const TokenArgs& args, const T* table, float* x, int threads);
  void (*embedding_positions)(const PositionArgs& args, const T* table, const DropoutArgs& dropout, float* x,
                              int threads);
  void (*layernorm_forward)(const LayerNormArgs<T>& args, const float* x, int threads);
  void (*layernorm_backward)(const LayerNormBackwardArgs<T>& args, int threads);
  /// sum = x + dropout(branch), then the norm of it unless norm.y is nullptr.
  void (*residual_forward)(const LayerNormArgs<T>& norm, const float* x, const T* branch, const DropoutArgs& dropout,
                           float* sum, int threads);
  void (*activation_forward)(Activation kind, std::int64_t size, const T* z, T* y, int threads);
  void (*activation_backward)(Activation kind, std::int64_t size, const T* z, const T* dy, T* dz, int threads);
  void (*attention_forward)(const AttentionForwardArgs<T>& args, int threads);
  void (*attention_backward)(const AttentionBackwardArgs<T>& args, int threads);
  /// out [size] = parts [count][size] added in order; out may be one of them.
  void (*sum_to_float)(std::int64_t count, const T* const* parts, std::int64_t size, float* out, int threads);
  void (*sum_to_bf16)(std::int64_t count, const T* const* parts, std::int64_t size, base::Bf16* out, int threads);
  void (*cross_entropy)(const CrossEntropyArgs<T>& args, int threads);
  /// statistics [3, R]
  void (*cross_entropy_partial)(const PartialCrossEntropyArgs<T>& args, float* statistics, int threads);
  /// statistics [parts, 3, R]
  void (*cross_entropy_combine)(const PartialCrossEntropyArgs<T>& args, std::int64_t parts, const float* statistics,
                                float scale, float* loss, int threads);
};

/// The kernels of one instruction set.
struct Kernels {
  const char* instruction_set;
  ElementKernels<float> f32;
  ElementKernels<base::Bf16> bf16;

  void (*embedding_backward_positions)(const PositionArgs& args, const float* dx, float* dtable, int threads);
  void (*embedding_backward_tokens)(const TokenArgs& args, const float* dx, float* dtable, int threads);
  /// to [rows[k]] += from [rows[k]] and from [rows[k]] = 0 for k < count.
  void (*add_rows)(std::int64_t count, const std::int32_t* rows, std::int64_t width, float* from, float* to,
                   int threads);
  /// partials [ceil(size / sum_block)] receives the sum (of squares) of each block in double.
  void (*block_sums)(bool squares, std::int64_t size, const float* x, double* partials, int threads);
  void (*clamp)(std::int64_t size, float limit, float* x, int threads);
  void (*fill_zero)(std::int64_t size, float* x, int threads);
  void (*add)(std::int64_t size, const float* first, const float* second, float* target, int threads);
  void (*adamw)(const AdamwArgs& args, std::int64_t size, float* w, const float* gradient, float* m, float* v,
                int threads);
  void (*round)(std::int64_t size, const float* x, base::Bf16* y, int threads);
  void (*widen)(std::int64_t size, const base::Bf16* x, float* y, int threads);

  template <class T>
  const ElementKernels<T>& of() const {
    if constexpr (base::DTypeOf<T>::value == base::DType::bf16)
      return bf16;
    else
      return f32;
  }
};

const Kernels& kernels_v3();  ///< x86-64-v3: AVX2, FMA
const Kernels& kernels_v4();  ///< x86-64-v4: AVX-512

}  // namespace tessera::tensor::cpu
