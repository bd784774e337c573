// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

template <class T>
cpu::LayerNormArgs<T> norm_args(const char* operation, const View& x, const View& gain, const View& bias, float epsilon,
                                const View& y, const View& mean, const View& rstd) {
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "x", x, {R, H});
  require_shape(operation, "gain", gain, {H});
  require_shape(operation, "bias", bias, {H});
  require_shape(operation, "y", y, {R, H}, base::DTypeOf<T>::value);
  require_shape(operation, "mean", mean, {R});
  require_shape(operation, "rstd", rstd, {R});
  return {R, H, gain.as<float>(), bias.as<float>(), epsilon, y.as<T>(), mean.as<float>(), rstd.as<float>()};
}

}  // namespace

void layernorm_forward(Device& device, View x, View gain, View bias, float epsilon, View y, View mean, View rstd) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "layernorm_forward";
  with_element(operation, y.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().layernorm_forward(norm_args<T>(operation, x, gain, bias, epsilon, y, mean, rstd),
                                               x.as<float>(), device.threads());
  });
}

void layernorm_backward(Device& device, View dy, View x, View gain, View mean, View rstd, View dx, View dgain,
                        View dbias) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "layernorm_backward";
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "x", x, {R, H});
  require_shape(operation, "dy", dy, {R, H}, dy.dtype());
  require_shape(operation, "gain", gain, {H});
  require_shape(operation, "mean", mean, {R});
  require_shape(operation, "rstd", rstd, {R});
  require_shape(operation, "dx", dx, {R, H});
  require_shape(operation, "dgain", dgain, {H});
  require_shape(operation, "dbias", dbias, {H});
  if (R == 0) return;
  with_element(operation, dy.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().layernorm_backward(
        {R, H, dy.as<T>(), x.as<float>(), gain.as<float>(), mean.as<float>(), rstd.as<float>(), dx.as<float>(),
         dgain.as<float>(), dbias.as<float>(), float_scratch(device, 2 * cpu::row_chunks * H)},
        device.threads());
  });
}

void residual_forward(Device& device, View x, View branch, const Dropout& dropout, View sum) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "residual_forward";
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "x", x, {R, H});
  require_shape(operation, "branch", branch, {R, H}, branch.dtype());
  require_shape(operation, "sum", sum, {R, H});
  with_element(operation, branch.dtype(), [&]<class T>(T) {
    cpu::LayerNormArgs<T> no_norm{};
    no_norm.rows = R;
    no_norm.width = H;
    device.kernels().of<T>().residual_forward(no_norm, x.as<float>(), branch.as<T>(), to_args(operation, dropout, R),
                                              sum.as<float>(), device.threads());
  });
}

void residual_layernorm_forward(Device& device, View x, View branch, const Dropout& dropout, View gain, View bias,
                                float epsilon, View sum, View y, View mean, View rstd) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "residual_layernorm_forward";
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "branch", branch, {R, H}, y.dtype());
  require_shape(operation, "sum", sum, {R, H});
  with_element(operation, y.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().residual_forward(norm_args<T>(operation, x, gain, bias, epsilon, y, mean, rstd),
                                              x.as<float>(), branch.as<T>(), to_args(operation, dropout, R),
                                              sum.as<float>(), device.threads());
  });
}

void dropout_backward(Device& device, View dy, const Dropout& dropout, View dx) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "dropout_backward";
  require_shape(operation, "dy", dy, dy.shape());
  require_shape(operation, "dx", dx, dy.shape(), dx.dtype());
  if (dy.num_elements() == 0) return;
  const bool in_place = dx.data() == dy.data();
  require(operation, !in_place || dx.dtype() == base::DType::f32, "f32 for dx in place of dy");
  if (in_place && dropout.rate == 0.0f) return;
  const std::int64_t R = dy.extent(0);
  with_element(operation, dx.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().dropout(R, columns_of(dy), dy.as<float>(), to_args(operation, dropout, R), dx.as<T>(),
                                     device.threads());
  });
}

}  // namespace tessera::tensor
