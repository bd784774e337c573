// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/matmul.hpp"
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

cpu::Matrix plain(const View& view) {
  return {view.as<float>(), view.extent(1), 1};
}

cpu::Matrix transposed(const View& view) {
  return {view.as<float>(), 1, view.extent(1)};
}

}  // namespace

void linear_forward(Device& device, View x, View w, View bias, View y) {
  const std::int64_t R = x.extent(0), I = x.extent(1), O = w.extent(0);
  require_shape("linear_forward", "w", w, {O, I});
  require_shape("linear_forward", "y", y, {R, O});
  if (!bias.empty()) require_shape("linear_forward", "bias", bias, {O});
  device.matmul().multiply(
      {R, O, I, plain(x), transposed(w), y.as<float>(), bias.empty() ? nullptr : bias.as<float>(), false});
}

void linear_input_gradient(Device& device, View dy, View w, View dx) {
  const std::int64_t R = dy.extent(0), O = dy.extent(1), I = w.extent(1);
  require_shape("linear_input_gradient", "w", w, {O, I});
  require_shape("linear_input_gradient", "dx", dx, {R, I});
  device.matmul().multiply({R, I, O, plain(dy), plain(w), dx.as<float>(), nullptr, false});
}

void linear_weight_gradient(Device& device, View dy, View x, View dw, View dbias) {
  const std::int64_t R = dy.extent(0), O = dy.extent(1), I = x.extent(1);
  require_shape("linear_weight_gradient", "x", x, {R, I});
  require_shape("linear_weight_gradient", "dw", dw, {O, I});
  device.matmul().multiply({O, I, R, transposed(dy), plain(x), dw.as<float>(), nullptr, true});
  if (dbias.empty()) return;
  require_shape("linear_weight_gradient", "dbias", dbias, {O});
  device.kernels().column_sums(R, O, dy.as<float>(), dbias.as<float>(), float_scratch(device, cpu::row_chunks * O),
                               device.threads());
}

}  // namespace tessera::tensor
