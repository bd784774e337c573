// SPDX-License-Identifier: Apache-2.0
#include "model/parameter_specs.hpp"

#include <cassert>
#include <cmath>
#include <fmt/core.h>

namespace tessera::model {
namespace {

constexpr float kInitStddev = 0.02f;

ParameterSpec matrix(std::string name, std::int64_t rows, std::int64_t columns, int tensor_dim, float stddev) {
  return {std::move(name), {rows, columns}, tensor_dim, InitKind::normal, stddev, true, false};
}

ParameterSpec vector(std::string name, std::int64_t size, int tensor_dim, InitKind init = InitKind::zeros) {
  return {std::move(name), {size}, tensor_dim, init, 0.0f, false, false};
}

ParameterSpec joined(ParameterSpec spec) {
  spec.joins_previous = true;
  return spec;
}

}  // namespace

std::vector<ParameterSpec> parameter_specs(const config::ModelConfig& config) {
  assert(config.vocab > 0);
  const std::int64_t H = config.hidden, F = config.mlp(), V = config.vocab;
  const auto residual_stddev = static_cast<float>(
      kInitStddev / std::sqrt(2.0 * static_cast<double>(config.layers)));  // the sum of 2L branches keeps its variance
  std::vector<ParameterSpec> specs;
  specs.push_back(matrix("token_embedding", V, H, 0, kInitStddev));
  specs.push_back(matrix("position_embedding", config.context, H, -1, kInitStddev));
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = fmt::format("blocks.{}.", layer);
    specs.push_back(vector(block + "attention_norm.gain", H, -1, InitKind::ones));
    specs.push_back(vector(block + "attention_norm.bias", H, -1));
    specs.push_back(matrix(block + "attention.query.weight", H, H, 0, kInitStddev));
    specs.push_back(joined(matrix(block + "attention.key.weight", H, H, 0, kInitStddev)));
    specs.push_back(joined(matrix(block + "attention.value.weight", H, H, 0, kInitStddev)));
    specs.push_back(vector(block + "attention.query.bias", H, 0));
    specs.push_back(joined(vector(block + "attention.key.bias", H, 0)));
    specs.push_back(joined(vector(block + "attention.value.bias", H, 0)));
    specs.push_back(matrix(block + "attention.output.weight", H, H, 1, residual_stddev));
    specs.push_back(vector(block + "attention.output.bias", H, -1));
    specs.push_back(vector(block + "mlp_norm.gain", H, -1, InitKind::ones));
    specs.push_back(vector(block + "mlp_norm.bias", H, -1));
    specs.push_back(matrix(block + "mlp.up.weight", F, H, 0, kInitStddev));
    specs.push_back(vector(block + "mlp.up.bias", F, 0));
    specs.push_back(matrix(block + "mlp.down.weight", H, F, 1, residual_stddev));
    specs.push_back(vector(block + "mlp.down.bias", H, -1));
  }
  specs.push_back(vector("final_norm.gain", H, -1, InitKind::ones));
  specs.push_back(vector("final_norm.bias", H, -1));
  if (!config.tied_head) specs.push_back(matrix("head.weight", V, H, 0, kInitStddev));
  return specs;
}

std::int64_t num_parameters(const config::ModelConfig& config) {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : parameter_specs(config)) count += spec.shape.num_elements();
  return count;
}

}  // namespace tessera::model
