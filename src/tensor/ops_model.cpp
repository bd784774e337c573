// SPDX-License-Identifier: Apache-2.0
// Activation functions and loss.
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

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

template <class T>
cpu::PartialCrossEntropyArgs<T> partial_args(const char* operation, const View& logits, const View& targets,
                                             std::int64_t first_token) {
  const std::int64_t R = logits.extent(0), Vt = logits.extent(1);
  require_shape(operation, "logits", logits, {R, Vt}, logits.dtype());
  require(operation, targets.num_elements() == R && targets.dtype() == base::DType::i32, "one i32 target for each row");
  require(operation, Vt >= 1 && first_token >= 0, "a part of one entry or more");
  return {R, Vt, first_token, logits.as<T>(), targets.as<std::int32_t>()};
}

}  // namespace

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

void cross_entropy_partial(Device& device, View logits, View targets, std::int64_t first_token, View statistics) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "cross_entropy_partial";
  require_shape(operation, "statistics", statistics, {3, logits.extent(0)});
  with_element(operation, logits.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().cross_entropy_partial(partial_args<T>(operation, logits, targets, first_token),
                                                   statistics.as<float>(), device.threads());
  });
}

void cross_entropy_combine(Device& device, View logits, View targets, std::int64_t first_token, View all_statistics,
                           float scale, View loss) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "cross_entropy_combine";
  const std::int64_t R = logits.extent(0), P = all_statistics.extent(0);
  require_shape(operation, "all statistics", all_statistics, {P, 3, R});
  require(operation, P >= 1, "statistics of a part");
  require_shape(operation, "loss", loss, {R});
  with_element(operation, logits.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().cross_entropy_combine(partial_args<T>(operation, logits, targets, first_token), P,
                                                   all_statistics.as<float>(), scale, loss.as<float>(),
                                                   device.threads());
  });
}

}  // namespace tessera::tensor
