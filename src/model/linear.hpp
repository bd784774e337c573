// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tensor/ops.hpp"

namespace tessera::model {

/// y = x wᵀ + bias. Backward is split in two, because zero-bubble pipelines schedule the halves apart.
struct Linear {
  tensor::View weight;           // [O, I]
  tensor::View bias;             // [O], or empty
  tensor::View weight_gradient;  // [O, I]
  tensor::View bias_gradient;    // [O], or empty

  void forward(tensor::Device& device, tensor::View x, tensor::View y) const {
    tensor::linear_forward(device, x, weight, bias, y);
  }
  /// dx = dy w
  void backward_input(tensor::Device& device, tensor::View dy, tensor::View dx) const {
    tensor::linear_input_gradient(device, dy, weight, dx);
  }
  /// weight_gradient = or += dyᵀ x, bias_gradient += column sums of dy
  void backward_weight(tensor::Device& device, tensor::View dy, tensor::View x, tensor::Accumulate accumulate) const {
    tensor::linear_weight_gradient(device, dy, x, weight_gradient, bias_gradient, accumulate);
  }
};

/// Gain and bias of a LayerNorm with their gradients, each [H].
struct Norm {
  static constexpr float epsilon = 1e-5f;
  tensor::View gain, bias, gain_gradient, bias_gradient;
};

}  // namespace tessera::model
