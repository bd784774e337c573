// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/kernels_isa.hpp"

#define TESSERA_TEXT_OF(name) #name
#define TESSERA_TEXT(name) TESSERA_TEXT_OF(name)
#define TESSERA_JOIN_OF(first, second) first##second
#define TESSERA_JOIN(first, second) TESSERA_JOIN_OF(first, second)

namespace tessera::tensor::cpu {

namespace TESSERA_ISA {
namespace {

template <class T>
constexpr ElementKernels<T> element_kernels = {
    .column_sums = column_sums<T>,
    .dropout = dropout<T>,
    .embedding_lookup = embedding_lookup<T>,
    .embedding_positions = embedding_positions<T>,
    .layernorm_forward = layernorm_forward<T>,
    .layernorm_backward = layernorm_backward<T>,
    .residual_forward = residual_forward<T>,
    .activation_forward = activation_forward<T>,
    .activation_backward = activation_backward<T>,
    .attention_forward = attention_forward<T>,
    .attention_backward = attention_backward<T>,
    .sum_to_float = sum_in_order<T, float>,
    .sum_to_bf16 = sum_in_order<T, base::Bf16>,
    .cross_entropy = cross_entropy<T>,
    .cross_entropy_partial = cross_entropy_partial<T>,
    .cross_entropy_combine = cross_entropy_combine<T>,
};

}  // namespace
}  // namespace TESSERA_ISA

/// kernels_v3() or kernels_v4().
const Kernels& TESSERA_JOIN(kernels_, TESSERA_ISA)() {
  namespace isa = TESSERA_ISA;
  static constexpr Kernels kTable = {
      .instruction_set = "x86-64-" TESSERA_TEXT(TESSERA_ISA),
      .f32 = isa::element_kernels<float>,
      .bf16 = isa::element_kernels<base::Bf16>,
      .embedding_backward_positions = isa::embedding_backward_positions,
      .embedding_backward_tokens = isa::embedding_backward_tokens,
      .add_rows = isa::add_rows,
      .block_sums = isa::block_sums,
      .clamp = isa::clamp,
      .fill_zero = isa::fill_zero,
      .add = isa::add,
      .adamw = isa::adamw,
      .round = isa::round,
      .widen = isa::widen,
  };
  return kTable;
}

}  // namespace tessera::tensor::cpu
