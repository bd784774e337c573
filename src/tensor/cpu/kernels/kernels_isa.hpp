// SPDX-License-Identifier: Apache-2.0
// The functions of table.cpp, one set for each instruction set. See tensor/cpu/kernels.hpp for what they do.
#pragma once

#include "tensor/cpu/kernels/isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {

void column_sums(std::int64_t rows, std::int64_t width, const float* x, float* out, float* partials, int threads);
void dropout(std::int64_t rows, std::int64_t width, const float* x, const DropoutArgs& dropout, float* y, int threads);
void embedding_forward(const EmbeddingArgs& args, const float* token_table, const float* position_table,
                       const DropoutArgs& dropout, float* x, int threads);
void embedding_backward(const EmbeddingArgs& args, const float* dx, const DropoutArgs& dropout, float* dtoken_table,
                        float* dposition_table, int threads);
void layernorm_forward(const LayerNormArgs& args, const float* x, int threads);
void layernorm_backward(const LayerNormBackwardArgs& args, int threads);
void residual_forward(const LayerNormArgs& norm, const float* x, const float* branch, const DropoutArgs& dropout,
                      float* sum, int threads);
void activation_forward(Activation kind, std::int64_t size, const float* z, float* y, int threads);
void activation_backward(Activation kind, std::int64_t size, const float* z, const float* dy, float* dz, int threads);
void attention_forward(const AttentionForwardArgs& args, int threads);
void attention_backward(const AttentionBackwardArgs& args, int threads);
void cross_entropy(const CrossEntropyArgs& args, int threads);
void block_sums(bool squares, std::int64_t size, const float* x, double* partials, int threads);
std::int64_t count_nonfinite(std::int64_t size, const float* x, int threads);
void scale(std::int64_t size, float factor, float* x, int threads);
void clamp(std::int64_t size, float limit, float* x, int threads);
void fill_zero(std::int64_t size, float* x, int threads);
void add(std::int64_t size, const float* first, const float* second, float* target, int threads);
void adamw(const AdamwArgs& args, std::int64_t size, float* w, const float* gradient, float* m, float* v, int threads);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
