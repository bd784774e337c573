// SPDX-License-Identifier: Apache-2.0
#include "model/placement.hpp"

#include <cassert>

#include "data_parallel/sync_tensor.hpp"

namespace tessera::model {

using tensor::part_of;
using tensor::Range;

Range Placement::heads(const config::ModelConfig& config) const {
  return part_of(config.heads, mesh.tensor, at.tensor);
}
Range Placement::mlp(const config::ModelConfig& config) const {
  return part_of(config.mlp(), mesh.tensor, at.tensor);
}
Range Placement::vocabulary(const config::ModelConfig& config) const {
  return part_of(config.vocab, mesh.tensor, at.tensor);
}

std::vector<std::int64_t> split_layers(const config::ModelConfig& config, std::int64_t num_parts) {
  assert(num_parts >= 1 && config.layers >= num_parts);
  const auto H = static_cast<double>(config.hidden), T = static_cast<double>(config.context);
  // Multiply-adds of a token: 12 H² in the matrices of a block, T H in causal attention, V H in the head. Looking a
  // token up costs none.
  const double head = static_cast<double>(config.vocab) * H / (12 * H * H + T * H);
  std::vector<std::int64_t> layers(static_cast<std::size_t>(num_parts), 1);
  const auto load = [&](std::size_t part) {
    return static_cast<double>(layers[part]) + (part + 1 == layers.size() ? head : 0.0);
  };
  for (std::int64_t left = config.layers - num_parts; left > 0; --left) {
    std::size_t least = 0;
    for (std::size_t part = 1; part < layers.size(); ++part)
      if (load(part) < load(least)) least = part;
    ++layers[least];
  }
  return layers;
}

Placement place(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at,
                base::Fault fault) {
  Placement placement{mesh, at, config.parallel.zero, {}};
  const int num_chunks = static_cast<int>(config.parallel.virtual_stages);
  const std::vector<std::int64_t> layers = split_layers(config.model, num_chunks * mesh.pipeline);
  int stage = at.pipeline;
  if (fault == base::Fault::stage_swap && mesh.pipeline > 1 && stage < 2) stage = 1 - stage;
  for (int chunk = 0; chunk < num_chunks; ++chunk) {
    const auto number = static_cast<std::size_t>(chunk * mesh.pipeline + stage);
    Part part;
    for (std::size_t before = 0; before < number; ++before) part.layers.first += layers[before];
    part.layers.size = layers[number];
    part.embeds = chunk == 0 && at.pipeline == 0;
    part.has_head = chunk + 1 == num_chunks && at.pipeline + 1 == mesh.pipeline;
    placement.parts.push_back(part);
  }
  return placement;
}

Placement whole_model(const config::ModelConfig& config) {
  return {{}, {}, 0, {{{0, config.layers}, true, true}}};
}

namespace {

/// The part of a tensor that the tensor axis leaves to this rank.
tensor::Tile tensor_tile(const ParameterSpec& spec, const Placement& placement) {
  const tensor::Tile all = tensor::whole(spec.name, spec.shape);
  if (spec.tensor_dim < 0) return all;
  const Range units =
      part_of(spec.shape[spec.tensor_dim] / spec.tensor_unit, placement.mesh.tensor, placement.at.tensor);
  return tensor::cut(all, spec.tensor_dim, {units.first * spec.tensor_unit, units.size * spec.tensor_unit});
}

bool belongs(const ParameterSpec& spec, const config::ModelConfig& config, const Part& part) {
  if (spec.layer == kEmbeddingLayer)
    return part.embeds || (spec.name == "token_embedding" && config.tied_head && part.has_head);
  if (spec.layer == config.layers) return part.has_head;
  return spec.layer >= part.layers.first && spec.layer < part.layers.last();
}

}  // namespace

std::vector<PlacedParameter> placed_parameters(const config::ModelConfig& config, const Placement& placement) {
  const std::vector<ParameterSpec> specs = parameter_specs(config);
  std::vector<PlacedParameter> placed;
  int group = -1;
  for (const Part& part : placement.parts) {
    std::int64_t layer = -2;  // of the last parameter: none
    for (std::size_t i = 0; i < specs.size(); ++i) {
      if (!belongs(specs[i], config, part)) continue;
      if (specs[i].layer != layer) ++group;
      layer = specs[i].layer;
      PlacedParameter p;
      p.spec = specs[i];
      p.tile = tensor_tile(specs[i], placement);
      p.rotation = static_cast<std::int64_t>(i);
      const std::int64_t rows = p.tile.extent[0];
      p.owned_rows = placement.zero > 0
                         ? data_parallel::own_rows(rows, placement.mesh.data, placement.at.data, p.rotation)
                         : Range{0, rows};
      const bool is_copy = specs[i].layer == kEmbeddingLayer && !part.embeds;
      p.primary = !is_copy && (specs[i].tensor_dim >= 0 || placement.at.tensor == 0);
      p.counted = p.primary && (placement.zero > 0 || placement.at.data == 0);
      p.group = group;
      placed.push_back(std::move(p));
    }
  }
  return placed;
}

}  // namespace tessera::model
