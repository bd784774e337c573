// SPDX-License-Identifier: Apache-2.0
// Operations on whole buffers.
#include <algorithm>

#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

double ordered_sum(Device& device, const View& x, bool squares) {
  const std::int64_t size = x.num_elements(), num_blocks = (size + cpu::sum_block - 1) / cpu::sum_block;
  auto* partials = reinterpret_cast<double*>(device.scratch(static_cast<std::size_t>(num_blocks) * sizeof(double)));
  device.kernels().block_sums(squares, size, x.as<float>(), partials, device.threads());
  double sum = 0.0;
  for (std::int64_t block = 0; block < num_blocks; ++block) sum += partials[block];
  return sum;
}

}  // namespace

double sum_of_squares(Device& device, View x) {
  const Timed timed(device.times(), Work::elementwise);
  return ordered_sum(device, x, true);
}

double sum(Device& device, View x) {
  const Timed timed(device.times(), Work::elementwise);
  return ordered_sum(device, x, false);
}

void clamp(Device& device, View x, float limit) {
  const Timed timed(device.times(), Work::elementwise);
  device.kernels().clamp(x.num_elements(), limit, x.as<float>(), device.threads());
}

void fill_zero(Device& device, View x) {
  const Timed timed(device.times(), Work::elementwise);
  device.kernels().fill_zero(x.num_elements(), x.as<float>(), device.threads());
}

void add(Device& device, View first, View second, View target) {
  require_shape("add", "second", second, first.shape());
  require_shape("add", "target", target, first.shape());
  device.kernels().add(first.num_elements(), first.as<float>(), second.as<float>(), target.as<float>(),
                       device.threads());
}

void sum_in_order(Device& device, std::span<const View> parts, View out) {
  constexpr const char* operation = "sum_in_order";
  require(operation, !parts.empty() && out.dtype() != base::DType::i32, "a part, and f32 or bf16 for out");
  const base::DType dtype = parts.front().dtype();
  require_shape(operation, "out", out, parts.front().shape(), out.dtype());
  for (const View& part : parts) {
    require_shape(operation, "part", part, out.shape(), dtype);
    require(operation, part.empty() || part.data() != out.data() || dtype == out.dtype(),
            "the type of the part that out is");
  }
  with_element(operation, dtype, [&]<class T>(T) {
    auto** data = reinterpret_cast<const T**>(device.scratch(parts.size() * sizeof(T*)));
    std::transform(parts.begin(), parts.end(), data, [](const View& part) { return part.as<T>(); });
    const auto& kernels = device.kernels().of<T>();
    const auto count = static_cast<std::int64_t>(parts.size());
    if (out.dtype() == base::DType::bf16)
      kernels.sum_to_bf16(count, data, out.num_elements(), out.as<base::Bf16>(), device.threads());
    else
      kernels.sum_to_float(count, data, out.num_elements(), out.as<float>(), device.threads());
  });
}

void round(Device& device, View x, View y) {
  const Timed timed(device.times(), Work::elementwise);
  require_shape("round", "x", x, x.shape());
  require_shape("round", "y", y, x.shape(), base::DType::bf16);
  device.kernels().round(x.num_elements(), x.as<float>(), y.as<base::Bf16>(), device.threads());
}

void widen(Device& device, View x, View y) {
  const Timed timed(device.times(), Work::elementwise);
  require_shape("widen", "x", x, x.shape(), base::DType::bf16);
  require_shape("widen", "y", y, x.shape());
  device.kernels().widen(x.num_elements(), x.as<base::Bf16>(), y.as<float>(), device.threads());
}

void adamw(Device& device, const AdamwStep& step, View w, View gradient, View m, View v, View rounded) {
  const Timed timed(device.times(), Work::optimizer);
  require_shape("adamw", "gradient", gradient, w.shape());
  require_shape("adamw", "m", m, w.shape());
  require_shape("adamw", "v", v, w.shape());
  if (!rounded.empty()) require_shape("adamw", "rounded", rounded, w.shape(), base::DType::bf16);
  device.kernels().adamw({step.lr, step.beta1, step.beta2, step.epsilon, step.weight_decay, step.correction1,
                          step.correction2, step.gradient_scale, rounded.empty() ? nullptr : rounded.as<base::Bf16>()},
                         w.num_elements(), w.as<float>(), gradient.as<float>(), m.as<float>(), v.as<float>(),
                         device.threads());
}

}  // namespace tessera::tensor
