// SPDX-License-Identifier: Apache-2.0
#include "model/copies.hpp"

#include "pipeline/tied_embedding.hpp"

namespace tessera::model {

namespace {
constexpr const char* kWhat = "copies of parameters";
}

void fill_copies(const comm::Mesh& mesh, const config::ModelConfig& config, const Parameters& parameters,
                 const std::function<tensor::View(const Parameter&)>& tensor_of) {
  // Axis by axis: after each one, the ranks that the next one begins with have what they pass on.
  for (const Parameter& p : parameters.all())
    if (p.spec.tensor_dim < 0) mesh.tensor().broadcast(tensor_of(p).span<float>(), 0, kWhat);
  if (config.tied_head && mesh.pipeline().size() > 1 && parameters.holds("token_embedding"))
    pipeline::copy_to_last(mesh.pipeline(), tensor_of(parameters.get("token_embedding")));
  if (parameters.placement().zero > 0) return;
  for (const Parameter& p : parameters.all()) mesh.data().broadcast(tensor_of(p).span<float>(), 0, kWhat);
}

}  // namespace tessera::model
