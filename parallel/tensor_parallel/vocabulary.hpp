// SPDX-License-Identifier: Apache-2.0
// Embedding and loss of a vocabulary that is cut over the tensor axis: no rank ever holds a row of the other parts, nor
// full logits (Shoeybi et al. 2019, section 3).
#pragma once

#include <cstdint>

#include "tensor/ops.hpp"
#include "tensor_parallel/tensor_axis.hpp"

namespace tessera::tensor_parallel {

/// This rank's part of the token table and what belongs to it.
struct VocabularyPart {
  tensor::View table;            // [Vt, H] T
  std::int64_t first_token = 0;  ///< id of row 0
};

/// x [R, H] f32 -> own rows = dropout(token embedding + position embedding). tokens [B, T] i32, positions [C, H] T.
/// Returns those rows. `dropout` need not know about cut rows.
tensor::View embed(TensorAxis& axis, tensor::Device& device, tensor::View tokens, const VocabularyPart& part,
                   tensor::View positions, std::int64_t position_offset, tensor::Dropout dropout, tensor::View x);

/// dx [R, H] f32, of which own rows hold the gradient of embed()'s result and are overwritten: token_gradient [Vt, H]
/// and position_gradient [C, H], f32, += .
void embed_backward(TensorAxis& axis, tensor::Device& device, tensor::View dx, tensor::View tokens,
                    std::int64_t first_token, tensor::Dropout dropout, tensor::View token_gradient,
                    tensor::View position_gradient);

/// losses [R] f32 of logits [R, Vt] T, which with scale > 0 are overwritten by their gradient times scale.
/// `statistics`: (P + 1) * 3 * R floats of work space, unused with one rank.
void cross_entropy(TensorAxis& axis, tensor::Device& device, tensor::View logits, tensor::View targets,
                   std::int64_t first_token, float scale, tensor::View statistics, tensor::View losses);

}  // namespace tessera::tensor_parallel
