// SPDX-License-Identifier: Apache-2.0
#include "model/parameter_specs.hpp"

#include <cassert>
#include <cmath>
#include <fmt/core.h>

namespace tessera::model {
namespace {

constexpr float kInitStddev = 0.02f;

ParameterSpec matrix(std::string name, std::int64_t rows, std::int64_t columns, int tensor_dim, float stddev) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.shape = {rows, columns};
  spec.tensor_dim = tensor_dim;
  spec.init = InitKind::normal;
  spec.stddev = stddev;
  spec.decay = true;
  return spec;
}

ParameterSpec vector(std::string name, std::int64_t size, int tensor_dim, InitKind init = InitKind::zeros) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.shape = {size};
  spec.tensor_dim = tensor_dim;
  spec.init = init;
  return spec;
}

/// Of every row of the residual stream alike: norms and positions.
ParameterSpec on_stream(ParameterSpec spec) {
  spec.on_residual_stream = true;
  return spec;
}

ParameterSpec of_heads(ParameterSpec spec, std::int64_t head_dim) {
  spec.tensor_unit = head_dim;
  return spec;
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
  const std::int64_t D = config.head_dim();
  std::vector<ParameterSpec> specs;
  std::int64_t at = kEmbeddingLayer;
  const auto add = [&](ParameterSpec spec) {
    spec.layer = at;
    specs.push_back(std::move(spec));
  };
  add(matrix("token_embedding", V, H, 0, kInitStddev));
  add(on_stream(matrix("position_embedding", config.context, H, -1, kInitStddev)));
  for (at = 0; at < config.layers; ++at) {
    const std::string block = fmt::format("blocks.{}.", at);
    add(on_stream(vector(block + "attention_norm.gain", H, -1, InitKind::ones)));
    add(on_stream(vector(block + "attention_norm.bias", H, -1)));
    add(of_heads(matrix(block + "attention.query.weight", H, H, 0, kInitStddev), D));
    add(joined(of_heads(matrix(block + "attention.key.weight", H, H, 0, kInitStddev), D)));
    add(joined(of_heads(matrix(block + "attention.value.weight", H, H, 0, kInitStddev), D)));
    add(of_heads(vector(block + "attention.query.bias", H, 0), D));
    add(joined(of_heads(vector(block + "attention.key.bias", H, 0), D)));
    add(joined(of_heads(vector(block + "attention.value.bias", H, 0), D)));
    add(of_heads(matrix(block + "attention.output.weight", H, H, 1, residual_stddev), D));
    add(vector(block + "attention.output.bias", H, -1));
    add(on_stream(vector(block + "mlp_norm.gain", H, -1, InitKind::ones)));
    add(on_stream(vector(block + "mlp_norm.bias", H, -1)));
    add(matrix(block + "mlp.up.weight", F, H, 0, kInitStddev));
    add(vector(block + "mlp.up.bias", F, 0));
    add(matrix(block + "mlp.down.weight", H, F, 1, residual_stddev));
    add(vector(block + "mlp.down.bias", H, -1));
  }
  add(on_stream(vector("final_norm.gain", H, -1, InitKind::ones)));
  add(on_stream(vector("final_norm.bias", H, -1)));
  if (!config.tied_head) add(matrix("head.weight", V, H, 0, kInitStddev));
  return specs;
}

std::int64_t num_parameters(const config::ModelConfig& config) {
  std::int64_t count = 0;
  for (const ParameterSpec& spec : parameter_specs(config)) count += spec.shape.num_elements();
  return count;
}

}  // namespace tessera::model
