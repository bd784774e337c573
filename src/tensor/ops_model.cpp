// SPDX-License-Identifier: Apache-2.0
// Embedding, activation functions and loss.
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

/// `dtype`: of the tables.
cpu::EmbeddingArgs embedding_args(const char* operation, const View& tokens, const View& position_table,
                                  base::DType dtype, std::int64_t position_offset, const View& x) {
  const std::int64_t B = tokens.extent(0), T = tokens.extent(1), H = x.extent(1);
  require_shape(operation, "tokens", tokens, {B, T}, base::DType::i32);
  require_shape(operation, "x", x, {B * T, H});
  require_shape(operation, "position table", position_table, {position_table.extent(0), H}, dtype);
  require(operation, position_offset >= 0 && position_offset + T <= position_table.extent(0),
          "a position for every token");
  return {B * T, H, T, position_offset, tokens.as<std::int32_t>()};
}

void cross_entropy(Device& device, const char* operation, const View& logits, const View& targets, float scale,
                   bool backward, const View& loss) {
  const std::int64_t R = logits.extent(0), V = logits.extent(1);
  require(operation, targets.num_elements() == R && targets.dtype() == base::DType::i32, "one i32 target for each row");
  require_shape(operation, "loss", loss, {R});
  with_element(operation, logits.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().cross_entropy(
        {R, V, logits.as<T>(), targets.as<std::int32_t>(), loss.as<float>(), scale, backward}, device.threads());
  });
}

}  // namespace

void embedding_forward(Device& device, View tokens, View token_table, View position_table, std::int64_t position_offset,
                       const Dropout& dropout, View x) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "embedding_forward";
  const cpu::EmbeddingArgs args =
      embedding_args(operation, tokens, position_table, token_table.dtype(), position_offset, x);
  require_shape(operation, "token table", token_table, {token_table.extent(0), args.width}, token_table.dtype());
  with_element(operation, token_table.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().embedding_forward(args, token_table.as<T>(), position_table.as<T>(),
                                               to_args(operation, dropout, args.rows), x.as<float>(), device.threads());
  });
}

void embedding_backward(Device& device, View dx, View tokens, const Dropout& dropout, View dtoken_table,
                        View dposition_table) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "embedding_backward";
  const cpu::EmbeddingArgs args = embedding_args(operation, tokens, dposition_table, base::DType::f32, 0, dx);
  require_shape(operation, "token table gradient", dtoken_table, {dtoken_table.extent(0), args.width});
  device.kernels().embedding_backward(args, dx.as<float>(), to_args(operation, dropout, args.rows),
                                      dtoken_table.as<float>(), dposition_table.as<float>(), device.threads());
}

void activation_forward(Device& device, Activation kind, View z, View y) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "activation_forward";
  require_shape(operation, "z", z, z.shape(), z.dtype());
  require_shape(operation, "y", y, z.shape(), z.dtype());
  with_element(operation, z.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().activation_forward(kind, z.num_elements(), z.as<T>(), y.as<T>(), device.threads());
  });
}

void activation_backward(Device& device, Activation kind, View z, View dy, View dz) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "activation_backward";
  require_shape(operation, "z", z, z.shape(), z.dtype());
  require_shape(operation, "dy", dy, z.shape(), z.dtype());
  require_shape(operation, "dz", dz, z.shape(), z.dtype());
  with_element(operation, z.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().activation_backward(kind, z.num_elements(), z.as<T>(), dy.as<T>(), dz.as<T>(),
                                                 device.threads());
  });
}

void cross_entropy_forward(Device& device, View logits, View targets, View loss) {
  const Timed timed(device.times(), Work::elementwise);
  cross_entropy(device, "cross_entropy_forward", logits, targets, 0.0f, false, loss);
}

void cross_entropy_forward_backward(Device& device, View logits, View targets, float scale, View loss) {
  const Timed timed(device.times(), Work::elementwise);
  cross_entropy(device, "cross_entropy_forward_backward", logits, targets, scale, true, loss);
}

}  // namespace tessera::tensor
