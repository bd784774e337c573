// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"

namespace tessera::model {

/// Rows of a parameter's owned tile that this rank writes and reads of checkpoints if it is primary: all that are its
/// own, or with zero = 0, where data ranks hold the same, its share of them. Over all primary ranks they cover the
/// tensor exactly once. Pure.
tensor::Range stored_rows(const PlacedParameter& p, const Placement& placement);

/// Gives all ranks that hold a tensor the values of those that read its rows: copies of what the tensor axis does not
/// cut, of a tied embedding at the last stage, and with zero = 0 the rows of other data ranks. `tensor_of` gives the
/// tensor [owned] f32 that goes with a parameter: its master, a moment. Collective over the mesh.
void fill_copies(const comm::Mesh& mesh, const config::ModelConfig& config, const Parameters& parameters,
                 const std::function<tensor::View(const Parameter&)>& tensor_of);

}  // namespace tessera::model
