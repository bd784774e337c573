// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tensor/cpu/matmul.hpp"
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

cpu::Matrix plain(const View& view) {
  return {view.data(), view.extent(1), 1};
}

/// A single column becomes a single row, whose own step is not 1: two steps of 1 would not tell how it lies.
cpu::Matrix transposed(const View& view) {
  if (view.extent(1) == 1) return {view.data(), view.extent(0), 1};
  return {view.data(), 1, view.extent(1)};
}

cpu::Product forward_product(const View& x, const View& w) {
  return {x.extent(0), w.extent(0), x.extent(1), x.dtype(), plain(x), transposed(w)};
}

cpu::Product input_product(const View& dy, const View& w) {
  return {dy.extent(0), w.extent(1), dy.extent(1), dy.dtype(), plain(dy), plain(w)};
}

cpu::Product weight_product(const View& dy, const View& x) {
  return {dy.extent(1), x.extent(1), dy.extent(0), dy.dtype(), transposed(dy), plain(x)};
}

}  // namespace

std::size_t linear_work_bytes(std::int64_t R, std::int64_t I, std::int64_t O, base::DType dtype) {
  const View x(nullptr, dtype, {R, I}), w(nullptr, dtype, {O, I}), dy(nullptr, dtype, {R, O});
  return std::max({cpu::MatmulEngine::work_bytes(forward_product(x, w)),
                   cpu::MatmulEngine::work_bytes(input_product(dy, w)),
                   cpu::MatmulEngine::work_bytes(weight_product(dy, x))});
}

void linear_forward(Device& device, View x, View w, View bias, View y) {
  const Timed timed(device.times(), Work::matrix);
  constexpr const char* operation = "linear_forward";
  const std::int64_t R = x.extent(0), I = x.extent(1), O = w.extent(0);
  require_shape(operation, "x", x, {R, I}, x.dtype());
  require_shape(operation, "w", w, {O, I}, x.dtype());
  require_shape(operation, "y", y, {R, O}, x.dtype());
  if (!bias.empty()) require_shape(operation, "bias", bias, {O});
  cpu::Product product = forward_product(x, w);
  product.c = y.data();
  product.c_type = y.dtype();
  product.bias = bias.empty() ? nullptr : bias.as<float>();
  device.matmul().multiply(product);
}

void linear_input_gradient(Device& device, View dy, View w, View dx) {
  const Timed timed(device.times(), Work::matrix);
  constexpr const char* operation = "linear_input_gradient";
  const std::int64_t R = dy.extent(0), O = dy.extent(1), I = w.extent(1);
  require_shape(operation, "dy", dy, {R, O}, dy.dtype());
  require_shape(operation, "w", w, {O, I}, dy.dtype());
  require_shape(operation, "dx", dx, {R, I}, dy.dtype());
  cpu::Product product = input_product(dy, w);
  product.c = dx.data();
  product.c_type = dx.dtype();
  device.matmul().multiply(product);
}

void linear_weight_gradient(Device& device, View dy, View x, View dw, View dbias, Accumulate accumulate) {
  constexpr const char* operation = "linear_weight_gradient";
  const std::int64_t R = dy.extent(0), O = dy.extent(1), I = x.extent(1);
  require_shape(operation, "dy", dy, {R, O}, dy.dtype());
  require_shape(operation, "x", x, {R, I}, dy.dtype());
  require_shape(operation, "dw", dw, {O, I});
  if (!dbias.empty()) require_shape(operation, "dbias", dbias, {O});
  if (R == 0) {  // oneDNN refuses sums of nothing
    if (accumulate == Accumulate::no) fill_zero(device, dw);
    return;
  }
  {
    const Timed timed(device.times(), Work::matrix);
    cpu::Product product = weight_product(dy, x);
    product.c = dw.data();
    product.c_type = dw.dtype();
    product.accumulate = accumulate == Accumulate::yes;
    device.matmul().multiply(product);
  }
  if (dbias.empty()) return;
  const Timed timed(device.times(), Work::elementwise);
  with_element(operation, dy.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().column_sums(R, O, dy.as<T>(), dbias.as<float>(),
                                         float_scratch(device, cpu::row_chunks * O), device.threads());
  });
}

}  // namespace tessera::tensor
