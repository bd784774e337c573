// SPDX-License-Identifier: Apache-2.0
#include "train/loaded_model.hpp"

#include "config/parse.hpp"

namespace tessera::train {

namespace {

LoadedModel load_file(const std::string& path) {
  LoadedModel loaded;
  loaded.path = path;
  loaded.state = checkpoint::read_state(loaded.path);
  loaded.config = config::parse_text(loaded.state.config, loaded.path + ":/run/config");
  loaded.tokenizer = text::deserialize_tokenizer(loaded.state.tokenizer, loaded.path + ":/run/tokenizer");
  loaded.parameters = std::make_unique<model::Parameters>(loaded.config.model, false);
  std::vector<checkpoint::TensorTile> tiles;
  for (const model::Parameter& p : loaded.parameters->all()) tiles.push_back({"model", p.tile, p.weight});
  checkpoint::read_tiles(loaded.path, tiles);
  return loaded;
}

}  // namespace

LoadedModel load_model(const std::string& path) {
  std::vector<std::string> damage;
  for (const std::string& file : checkpoint::candidates(path)) {
    try {
      LoadedModel loaded = load_file(file);
      loaded.damage = damage;
      return loaded;
    } catch (const checkpoint::DamagedError& error) {
      damage.emplace_back(error.what());
    }
  }
  std::string list;
  for (const std::string& text : damage) list += (list.empty() ? "" : "\n") + text;
  throw base::UsageError(list);
}

}  // namespace tessera::train
