// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

cpu::LayerNormArgs norm_args(const char* operation, const View& x, const View& gain, const View& bias, float epsilon,
                             const View& y, const View& mean, const View& rstd) {
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "gain", gain, {H});
  require_shape(operation, "bias", bias, {H});
  require_shape(operation, "y", y, {R, H});
  require_shape(operation, "mean", mean, {R});
  require_shape(operation, "rstd", rstd, {R});
  return {R, H, gain.as<float>(), bias.as<float>(), epsilon, y.as<float>(), mean.as<float>(), rstd.as<float>()};
}

}  // namespace

void layernorm_forward(Device& device, View x, View gain, View bias, float epsilon, View y, View mean, View rstd) {
  const cpu::LayerNormArgs args = norm_args("layernorm_forward", x, gain, bias, epsilon, y, mean, rstd);
  device.kernels().layernorm_forward(args, x.as<float>(), device.threads());
}

void layernorm_backward(Device& device, View dy, View x, View gain, View mean, View rstd, View dx, View dgain,
                        View dbias) {
  constexpr const char* operation = "layernorm_backward";
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "dy", dy, {R, H});
  require_shape(operation, "gain", gain, {H});
  require_shape(operation, "mean", mean, {R});
  require_shape(operation, "rstd", rstd, {R});
  require_shape(operation, "dx", dx, {R, H});
  require_shape(operation, "dgain", dgain, {H});
  require_shape(operation, "dbias", dbias, {H});
  device.kernels().layernorm_backward(
      {R, H, dy.as<float>(), x.as<float>(), gain.as<float>(), mean.as<float>(), rstd.as<float>(), dx.as<float>(),
       dgain.as<float>(), dbias.as<float>(), float_scratch(device, 2 * cpu::row_chunks * H)},
      device.threads());
}

void residual_forward(Device& device, View x, View branch, const Dropout& dropout, View sum) {
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape("residual_forward", "branch", branch, {R, H});
  require_shape("residual_forward", "sum", sum, {R, H});
  cpu::LayerNormArgs no_norm{};
  no_norm.rows = R;
  no_norm.width = H;
  device.kernels().residual_forward(no_norm, x.as<float>(), branch.as<float>(), to_args("residual_forward", dropout, R),
                                    sum.as<float>(), device.threads());
}

void residual_layernorm_forward(Device& device, View x, View branch, const Dropout& dropout, View gain, View bias,
                                float epsilon, View sum, View y, View mean, View rstd) {
  constexpr const char* operation = "residual_layernorm_forward";
  const std::int64_t R = x.extent(0), H = x.extent(1);
  require_shape(operation, "branch", branch, {R, H});
  require_shape(operation, "sum", sum, {R, H});
  const cpu::LayerNormArgs args = norm_args(operation, x, gain, bias, epsilon, y, mean, rstd);
  device.kernels().residual_forward(args, x.as<float>(), branch.as<float>(), to_args(operation, dropout, R),
                                    sum.as<float>(), device.threads());
}

void dropout_backward(Device& device, View dy, const Dropout& dropout, View dx) {
  require_shape("dropout_backward", "dx", dx, dy.shape());
  const std::int64_t R = dy.extent(0);
  device.kernels().dropout(R, columns_of(dy), dy.as<float>(), to_args("dropout_backward", dropout, R), dx.as<float>(),
                           device.threads());
}

}  // namespace tessera::tensor
