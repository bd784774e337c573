// SPDX-License-Identifier: Apache-2.0
#include "train/loaded_model.hpp"

#include "checkpoint/tiles.hpp"
#include "comm/together.hpp"
#include "config/parse.hpp"
#include "config/validate.hpp"
#include "model/copies.hpp"
#include "train/newest_sound.hpp"
#include "train/replica.hpp"

namespace tessera::train {

namespace {

LoadedModel load_file(const comm::Mesh& mesh, const std::string& path) {
  LoadedModel loaded;
  loaded.path = path;
  loaded.state = checkpoint::read_state(mesh.all(), path);
  comm::together(mesh.all(), "model and configuration", [&] {
    loaded.config = config::parse_text(loaded.state.config, path + ":/run/config");
    loaded.tokenizer = text::deserialize_tokenizer(loaded.state.tokenizer, path + ":/run/tokenizer");
    config::ParallelConfig parallel;
    parallel.tensor = mesh.shape().tensor;
    parallel.pipeline = mesh.shape().pipeline;
    loaded.config.parallel = parallel;
    config::Config model_only = loaded.config;  // its batch need not fit these ranks
    model_only.optim = {};
    config::throw_if_any(config::validate(model_only, mesh.shape().size()));
    loaded.parameters =
        std::make_unique<model::Parameters>(loaded.config.model, model::place(loaded.config, mesh.shape(), mesh.at()),
                                            model::ParameterRoom{false, base::DType::f32});
  });
  std::vector<checkpoint::TensorTile> tiles;
  for (const model::Parameter& p : loaded.parameters->all())
    tiles.push_back(stored_tile("model", p, loaded.parameters->placement(), p.master));
  checkpoint::read_tiles(mesh.all(), mesh.tensor(), path, tiles);
  model::fill_copies(mesh, loaded.config.model, *loaded.parameters, [](const model::Parameter& p) { return p.master; });
  return loaded;
}

}  // namespace

LoadedModel load_model(const comm::Mesh& mesh, const std::string& path) {
  LoadedModel loaded;
  const NewestSound found =
      read_newest_sound(mesh.all(), path, [&](const std::string& file) { loaded = load_file(mesh, file); });
  loaded.damage = found.damage;
  return loaded;
}

}  // namespace tessera::train
