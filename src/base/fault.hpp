// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::base {

/// Mistakes that `tessera selftest --break` makes on purpose, to prove that its table can turn red. Each is made at the
/// one place where the right thing is done; a training run has none.
enum class Fault : std::uint8_t {
  none,
  gradient_bucket,     ///< one bucket of gradients is not summed over the data axis
  stage_swap,          ///< the first two pipeline stages hold each other's layers
  tied_embedding,      ///< first and last stage do not add their gradients of the tied embedding
  partial_sum,         ///< sums over the tensor axis are left out: embedding, both branches of a block, and back
  gradient_scale,      ///< gradients are twice what they should be
  sequence_layernorm,  ///< LayerNorm gradients of the parts of a sequence are not added
  row_bias,            ///< every tensor rank adds the bias of a row-cut layer
  norm_double_count,   ///< parameters that every tensor rank holds count once a rank in the gradient norm
  dropout_rank         ///< dropout masks depend on the rank
};

}  // namespace tessera::base
