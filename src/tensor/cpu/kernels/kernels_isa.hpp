// SPDX-License-Identifier: Apache-2.0
// The functions of table.cpp, one set for each instruction set. See tensor/cpu/kernels.hpp for what they do. Templates
// are defined in the file of their name and instantiated there for float and Bf16.
#pragma once

#include "tensor/cpu/kernels/isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

template <class T>
void column_sums(std::int64_t rows, std::int64_t width, const T* x, float* out, float* partials, int threads);
template <class T>
void dropout(std::int64_t rows, std::int64_t width, const float* x, const DropoutArgs& dropout, T* y, int threads);
template <class T>
void embedding_lookup(const TokenArgs& args, const T* table, float* x, int threads);
template <class T>
void embedding_positions(const PositionArgs& args, const T* table, const DropoutArgs& dropout, float* x, int threads);
template <class T>
void layernorm_forward(const LayerNormArgs<T>& args, const float* x, int threads);
template <class T>
void layernorm_backward(const LayerNormBackwardArgs<T>& args, int threads);
template <class T>
void residual_forward(const LayerNormArgs<T>& norm, const float* x, const T* branch, const DropoutArgs& dropout,
                      float* sum, int threads);
template <class T>
void activation_forward(Activation kind, std::int64_t size, const T* z, T* y, int threads);
template <class T>
void activation_backward(Activation kind, std::int64_t size, const T* z, const T* dy, T* dz, int threads);
template <class T>
void attention_forward(const AttentionForwardArgs<T>& args, int threads);
template <class T>
void attention_backward(const AttentionBackwardArgs<T>& args, int threads);
template <class T, class Out>
void sum_in_order(std::int64_t count, const T* const* parts, std::int64_t size, Out* out, int threads);
template <class T>
void cross_entropy(const CrossEntropyArgs<T>& args, int threads);
template <class T>
void cross_entropy_partial(const PartialCrossEntropyArgs<T>& args, float* statistics, int threads);
template <class T>
void cross_entropy_combine(const PartialCrossEntropyArgs<T>& args, std::int64_t parts, const float* statistics,
                           float scale, float* loss, int threads);

void embedding_backward_positions(const PositionArgs& args, const float* dx, float* dtable, int threads);
void embedding_backward_tokens(const TokenArgs& args, const float* dx, float* dtable, int threads);
void add_rows(std::int64_t count, const std::int32_t* rows, std::int64_t width, float* from, float* to, int threads);
void block_sums(bool squares, std::int64_t size, const float* x, double* partials, int threads);
void clamp(std::int64_t size, float limit, float* x, int threads);
void fill_zero(std::int64_t size, float* x, int threads);
void add(std::int64_t size, const float* first, const float* second, float* target, int threads);
void adamw(const AdamwArgs& args, std::int64_t size, float* w, const float* gradient, float* m, float* v, int threads);
void round(std::int64_t size, const float* x, base::Bf16* y, int threads);
void widen(std::int64_t size, const base::Bf16* x, float* y, int threads);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
