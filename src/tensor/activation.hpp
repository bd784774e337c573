// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::tensor {

/// gelu_tanh: 0.5 z (1 + tanh(sqrt(2/pi) (z + 0.044715 z³))); gelu: z Φ(z); relu: max(z, 0); silu: z / (1 + exp(-z)).
enum class Activation : std::uint8_t { gelu_tanh, gelu, relu, silu };

}  // namespace tessera::tensor
