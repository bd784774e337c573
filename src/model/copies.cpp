// SPDX-License-Identifier: Apache-2.0
#include "model/copies.hpp"

#include "data_parallel/sync_tensor.hpp"
#include "pipeline/tied_embedding.hpp"

namespace tessera::model {

namespace {
constexpr const char* kWhat = "copies of parameters";
}

tensor::Range stored_rows(const PlacedParameter& p, const Placement& placement) {
  if (placement.zero > 0) return {0, p.owned_rows.size};
  return data_parallel::own_rows(p.owned_rows.size, placement.mesh.data, placement.at.data, p.rotation);
}

void fill_copies(const comm::Mesh& mesh, const config::ModelConfig& config, const Parameters& parameters,
                 const std::function<tensor::View(const Parameter&)>& tensor_of) {
  // Axis by axis: after each one, the ranks that the next one begins with have what they pass on.
  for (const Parameter& p : parameters.all())
    if (p.spec.tensor_dim < 0) mesh.tensor().broadcast(tensor_of(p).span<float>(), 0, kWhat);
  if (config.tied_head && mesh.pipeline().size() > 1 && parameters.holds("token_embedding"))
    pipeline::copy_to_last(mesh.pipeline(), tensor_of(parameters.get("token_embedding")));
  if (parameters.placement().zero > 0) return;
  for (const Parameter& p : parameters.all())
    for (int rank = 0; rank < mesh.data().size(); ++rank) {
      const tensor::Range rows = data_parallel::own_rows(p.tile.extent[0], mesh.data().size(), rank, p.rotation);
      if (rows.size > 0) mesh.data().broadcast(tensor_of(p).rows(rows.first, rows.size).span<float>(), rank, kWhat);
    }
}

}  // namespace tessera::model
