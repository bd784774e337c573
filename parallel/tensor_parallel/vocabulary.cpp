// SPDX-License-Identifier: Apache-2.0
#include "tensor_parallel/vocabulary.hpp"

namespace tessera::tensor_parallel {

using tensor::View;

namespace {

/// The masks of this rank's rows are those of the same rows in one process.
tensor::Dropout of_own_rows(const TensorAxis& axis, tensor::Dropout dropout, std::int64_t rows, std::int64_t length) {
  dropout.rows_per_sample = length;
  dropout.first_row = axis.rows(rows).first;
  return dropout;
}

}  // namespace

View embed(TensorAxis& axis, tensor::Device& device, View tokens, const VocabularyPart& part, View positions,
           std::int64_t position_offset, tensor::Dropout dropout, View x) {
  const std::int64_t rows = x.extent(0), length = tokens.extent(1);
  tensor::embedding_lookup(device, tokens, part.table, part.first_token, x);
  const View own = axis.sum(x);  // one rank has the token, the others 0: exact
  dropout = of_own_rows(axis, dropout, rows, length);
  tensor::embedding_positions(device, positions, length, position_offset, dropout.first_row, dropout, own);
  return own;
}

void embed_backward(TensorAxis& axis, tensor::Device& device, View dx, View tokens, std::int64_t first_token,
                    tensor::Dropout dropout, View token_gradient, View position_gradient) {
  const std::int64_t rows = dx.extent(0), length = tokens.extent(1);
  const View own = axis.own(dx);
  dropout = of_own_rows(axis, dropout, rows, length);
  tensor::dropout_backward(device, own, dropout, own);
  tensor::embedding_backward_positions(device, own, length, dropout.first_row, position_gradient);
  axis.gather(dx);
  tensor::embedding_backward_tokens(device, dx, tokens, first_token, token_gradient);
}

void cross_entropy(TensorAxis& axis, tensor::Device& device, View logits, View targets, std::int64_t first_token,
                   float scale, View statistics, View losses) {
  if (axis.size() == 1) {  // in one pass, with the same bits
    if (scale > 0)
      tensor::cross_entropy_forward_backward(device, logits, targets, scale, losses);
    else
      tensor::cross_entropy_forward(device, logits, targets, losses);
    return;
  }
  const std::int64_t rows = logits.extent(0);
  const View mine(statistics.as<float>(), {3, rows});
  const View all(statistics.as<float>() + mine.num_elements(), {axis.size(), 3, rows});
  tensor::cross_entropy_partial(device, logits, targets, first_token, mine);
  axis.all_gather(mine, all);
  tensor::cross_entropy_combine(device, logits, targets, first_token, all, scale, losses);
}

}  // namespace tessera::tensor_parallel
