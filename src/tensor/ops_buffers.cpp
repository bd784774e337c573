// SPDX-License-Identifier: Apache-2.0
// Operations on whole buffers.
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
  return ordered_sum(device, x, true);
}

double sum(Device& device, View x) {
  return ordered_sum(device, x, false);
}

std::int64_t count_nonfinite(Device& device, View x) {
  return device.kernels().count_nonfinite(x.num_elements(), x.as<float>(), device.threads());
}

void scale(Device& device, View x, float factor) {
  device.kernels().scale(x.num_elements(), factor, x.as<float>(), device.threads());
}

void clamp(Device& device, View x, float limit) {
  device.kernels().clamp(x.num_elements(), limit, x.as<float>(), device.threads());
}

void fill_zero(Device& device, View x) {
  device.kernels().fill_zero(x.num_elements(), x.as<float>(), device.threads());
}

void add(Device& device, View first, View second, View target) {
  require_shape("add", "second", second, first.shape());
  require_shape("add", "target", target, first.shape());
  device.kernels().add(first.num_elements(), first.as<float>(), second.as<float>(), target.as<float>(),
                       device.threads());
}

void adamw(Device& device, const AdamwStep& step, View w, View gradient, View m, View v) {
  require_shape("adamw", "gradient", gradient, w.shape());
  require_shape("adamw", "m", m, w.shape());
  require_shape("adamw", "v", v, w.shape());
  device.kernels().adamw({step.lr, step.beta1, step.beta2, step.epsilon, step.weight_decay, step.correction1,
                          step.correction2, step.gradient_scale},
                         w.num_elements(), w.as<float>(), gradient.as<float>(), m.as<float>(), v.as<float>(),
                         device.threads());
}

}  // namespace tessera::tensor
