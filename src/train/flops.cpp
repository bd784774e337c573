// SPDX-License-Identifier: Apache-2.0
#include "train/flops.hpp"

#include "model/block.hpp"
#include "model/parameter_specs.hpp"

namespace tessera::train {

FlopsPerToken flops_per_token(const config::ModelConfig& config) {
  auto parameters = static_cast<double>(model::num_parameters(config));
  if (!config.tied_head) parameters -= static_cast<double>(config.vocab * config.hidden);
  double causal = 0, palm = 0;
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto T = static_cast<double>(config.context);
    const auto W = static_cast<double>(model::attention_window(config, layer));
    const bool banded = W > 0 && W < T;
    // Query t sees min(t + 1, W) keys: W - W (W - 1) / 2T on average.
    const double keys = W - W * (W - 1) / (2 * T);
    causal += banded ? 2 * keys : T;
    palm += banded ? 2 * keys : 2 * T;
  }
  const auto H = static_cast<double>(config.hidden);
  return {6.0 * (parameters + H * causal), 6.0 * (parameters + H * palm)};
}

}  // namespace tessera::train
