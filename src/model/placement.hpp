// SPDX-License-Identifier: Apache-2.0
// Which part of the model a rank holds. Pure: weights are not needed to know it, so the tiles of a thousand ranks can
// be listed on a laptop.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fault.hpp"
#include "comm/mesh_shape.hpp"
#include "config/config.hpp"
#include "model/parameter_specs.hpp"
#include "tensor/range.hpp"
#include "tensor/tile.hpp"

namespace tessera::model {

/// Layers that run one after the other on one rank. The pipeline numbers its parts: part c * stages + s is chunk c of
/// stage s. The first part of the model embeds tokens, the last one has final norm, head and loss.
struct Part {
  tensor::Range layers;
  bool embeds = true, has_head = true;
};

/// The place of a rank in a mesh, and what it holds there.
struct Placement {
  comm::MeshShape mesh;
  comm::Coordinates at;
  std::int64_t zero = 0;
  std::vector<Part> parts;  ///< by chunk

  tensor::Range heads(const config::ModelConfig& config) const;       ///< of attention
  tensor::Range mlp(const config::ModelConfig& config) const;         ///< columns of the MLP
  tensor::Range vocabulary(const config::ModelConfig& config) const;  ///< token ids
};

/// Layers of each of `num_parts` parts, so that the largest part takes the least time: the head counts as the layers
/// whose work it equals. Every part has a layer; layers >= num_parts.
std::vector<std::int64_t> split_layers(const config::ModelConfig& config, std::int64_t num_parts);

/// The placement of the rank at `at`. `config` must be valid for the mesh.
Placement place(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at,
                base::Fault fault = base::Fault::none);
/// All of the model, in one process.
Placement whole_model(const config::ModelConfig& config);

/// One parameter as a rank holds it.
struct PlacedParameter {
  ParameterSpec spec;
  tensor::Tile tile;         ///< what the tensor axis leaves of it
  tensor::Range owned_rows;  ///< of the tile: what the optimizer of this data rank updates; zero = 0: all
  /// Some ranks hold copies: of what the tensor axis does not cut, and of a tied embedding at the last stage. Of them
  /// one is primary.
  bool primary = true;
  bool counted = true;        ///< of all ranks' owned tiles the counted ones cover the tensor exactly once
  std::int64_t rotation = 0;  ///< that data_parallel::own_rows() was asked with
  int group = 0;              ///< gradients of a group become final together; groups in the order of the forward pass
  tensor::Tile owned() const { return tensor::cut(tile, 0, owned_rows); }
};

/// The parameters of a rank, in the order of parameter_specs within each part. Pure.
std::vector<PlacedParameter> placed_parameters(const config::ModelConfig& config, const Placement& placement);

}  // namespace tessera::model
