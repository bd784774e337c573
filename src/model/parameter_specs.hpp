// SPDX-License-Identifier: Apache-2.0
// The one list of parameters. Init, counting, memory plan, optimizer, checkpoint and conversion all read it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "tensor/tile.hpp"

namespace tessera::model {

/// ParameterSpec::layer of the embeddings.
inline constexpr std::int64_t kEmbeddingLayer = -1;

enum class InitKind : std::uint8_t { zeros, ones, normal };

struct ParameterSpec {
  std::string name;              ///< "blocks.3.attention.query.weight"; weights are [out, in]
  tensor::Shape shape;           ///< global shape
  int tensor_dim = -1;           ///< the dim that tensor parallelism cuts; -1: every tensor rank holds all of it
  std::int64_t tensor_unit = 1;  ///< extent along that dim that stays together: an attention head
  /// Its gradient is a sum over the rows of the residual stream, which sequence parallelism cuts.
  bool on_residual_stream = false;
  std::int64_t layer = kEmbeddingLayer;  ///< of a block; config.layers: final norm and head
  InitKind init = InitKind::zeros;
  float stddev = 0.0f;          ///< of InitKind::normal
  bool decay = false;           ///< weight decay: matrices and embeddings only
  bool joins_previous = false;  ///< lies directly behind the one before: query, key, value are one [3H, H] product
};

/// Every tensor of the model in the order of the forward pass; backward finishes them from the end. Pure.
/// Init: N(0, 0.02), projections into the residual stream N(0, 0.02 / sqrt(2 L)) (Radford et al. 2019; Brown et al.
/// 2020). config.vocab must be resolved (> 0).
std::vector<ParameterSpec> parameter_specs(const config::ModelConfig& config);

/// Number of trainable values; with a tied head the token embedding counts once.
std::int64_t num_parameters(const config::ModelConfig& config);

}  // namespace tessera::model
