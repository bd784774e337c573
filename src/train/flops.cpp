// SPDX-License-Identifier: Apache-2.0
#include "train/flops.hpp"

#include "model/parameter_specs.hpp"

namespace tessera::train {

FlopsPerToken flops_per_token(const config::ModelConfig& config) {
  auto parameters = static_cast<double>(model::num_parameters(config));
  if (!config.tied_head) parameters -= static_cast<double>(config.vocab * config.hidden);
  const auto attention = static_cast<double>(config.layers * config.hidden * config.context);
  return {6.0 * parameters + 6.0 * attention, 6.0 * parameters + 12.0 * attention};
}

}  // namespace tessera::train
