// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"

namespace tessera::model {

/// Gives the ranks that hold copies of a tensor the values of the rank whose tile is counted: what the tensor axis does
/// not cut, a tied embedding at the last stage, and with zero = 0 all that data ranks share. `tensor_of` gives the
/// tensor [owned] f32 that goes with a parameter: its master, a moment. Collective over the mesh.
void fill_copies(const comm::Mesh& mesh, const config::ModelConfig& config, const Parameters& parameters,
                 const std::function<tensor::View(const Parameter&)>& tensor_of);

}  // namespace tessera::model
