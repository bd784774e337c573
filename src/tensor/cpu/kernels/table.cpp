// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/kernels/kernels_isa.hpp"

#define TESSERA_TEXT_OF(name) #name
#define TESSERA_TEXT(name) TESSERA_TEXT_OF(name)
#define TESSERA_JOIN_OF(first, second) first##second
#define TESSERA_JOIN(first, second) TESSERA_JOIN_OF(first, second)

namespace tessera::tensor::cpu {

/// kernels_v3() or kernels_v4().
const Kernels& TESSERA_JOIN(kernels_, TESSERA_ISA)() {
  namespace isa = TESSERA_ISA;
  static constexpr Kernels kTable = {
      .instruction_set = "x86-64-" TESSERA_TEXT(TESSERA_ISA),
      .column_sums = isa::column_sums,
      .dropout = isa::dropout,
      .embedding_forward = isa::embedding_forward,
      .embedding_backward = isa::embedding_backward,
      .layernorm_forward = isa::layernorm_forward,
      .layernorm_backward = isa::layernorm_backward,
      .residual_forward = isa::residual_forward,
      .activation_forward = isa::activation_forward,
      .activation_backward = isa::activation_backward,
      .attention_forward = isa::attention_forward,
      .attention_backward = isa::attention_backward,
      .cross_entropy = isa::cross_entropy,
      .block_sums = isa::block_sums,
      .count_nonfinite = isa::count_nonfinite,
      .scale = isa::scale,
      .clamp = isa::clamp,
      .fill_zero = isa::fill_zero,
      .add = isa::add,
      .adamw = isa::adamw,
  };
  return kTable;
}

}  // namespace tessera::tensor::cpu
