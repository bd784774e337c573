// SPDX-License-Identifier: Apache-2.0
#include "train/loaded_model.hpp"

#include "config/parse.hpp"

namespace tessera::train {

LoadedModel load_model(const std::string& path) {
  LoadedModel loaded;
  loaded.path = checkpoint::resolve_path(path);
  loaded.state = checkpoint::read_state(loaded.path);
  loaded.config = config::parse_text(loaded.state.config, loaded.path + ":/run/config");
  loaded.tokenizer = text::deserialize_tokenizer(loaded.state.tokenizer, loaded.path + ":/run/tokenizer");
  loaded.parameters = std::make_unique<model::Parameters>(loaded.config.model, false);
  std::vector<checkpoint::TensorTile> tiles;
  for (const model::Parameter& p : loaded.parameters->all()) tiles.push_back({"model", p.tile, p.weight});
  checkpoint::read_tiles(loaded.path, tiles);
  return loaded;
}

}  // namespace tessera::train
