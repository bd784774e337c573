// SPDX-License-Identifier: Apache-2.0
// The double-precision reference with the weights and the configuration of a golden file.
#pragma once

#include "golden/golden_test.hpp"
#include "reference/gpt.hpp"

namespace tessera::testing {

inline reference::Weights as_doubles(const Tensors& tensors) {
  reference::Weights weights;
  for (const auto& [name, tensor] : tensors) {
    weights.emplace(name, reference::Values(tensor.values.begin(), tensor.values.end()));
  }
  return weights;
}

/// `window` > 0: banded attention in odd layers.
inline reference::GptConfig reference_config(const GoldenFile& golden, std::int64_t window = 0) {
  reference::GptConfig config;
  config.layers = static_cast<std::size_t>(golden.layers);
  config.hidden = static_cast<std::size_t>(golden.hidden);
  config.heads = static_cast<std::size_t>(golden.heads);
  config.context = static_cast<std::size_t>(golden.context);
  config.vocab = static_cast<std::size_t>(golden.vocab);
  config.activation = golden.activation;
  config.tied_head = golden.tied;
  config.window = static_cast<std::size_t>(window);
  return config;
}

}  // namespace tessera::testing
