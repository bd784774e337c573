// SPDX-License-Identifier: Apache-2.0
#include "train/init_from.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/tiles.hpp"
#include "comm/together.hpp"
#include "config/parse.hpp"
#include "config/print.hpp"
#include "train/newest_sound.hpp"

namespace tessera::train {
namespace {

/// Keys of the model that may be larger than the checkpoint's.
bool may_grow(const std::string& key) {
  return key == "model.layers" || key == "model.vocab" || key == "model.context";
}

void require_growth(const std::string& path, const config::Config& saved, const config::Config& now) {
  const std::map<std::string, std::string> before = config::key_values(saved);
  std::string refused;
  for (const auto& [key, value] : config::key_values(now)) {
    if (!key.starts_with("model.") || key == "model.dropout") continue;
    const auto old = before.find(key);
    if (old == before.end() || old->second == value) continue;
    if (!may_grow(key))
      refused += fmt::format("\n  {}: {} in the checkpoint, {} now", key, old->second, value);
    else if (std::stoll(value) < std::stoll(old->second))
      refused += fmt::format("\n  {}: {} in the checkpoint, {} now, but it can only grow", key, old->second, value);
  }
  if (!refused.empty())
    base::fail_usage("run.init_from = '{}' is of another model:{}\nUse the checkpoint's settings", path, refused);
}

/// The tokens of the checkpoint must be those of the data, which may have more.
void require_old_tokens(const std::string& path, const checkpoint::RunState& state, const RunData& data) {
  if (state.tokenizer_fingerprint == data.first_file().fingerprint()) return;
  const auto old = text::deserialize_tokenizer(state.tokenizer, path + ":/run/tokenizer");
  const std::unique_ptr<text::Tokenizer> now = data.first_file().tokenizer();
  if (now->vocab_size() < old->vocab_size())
    base::fail_usage(
        "run.init_from = '{}' has a tokenizer of {} entries, data.train = '{}' one of {}: it can only grow. Prepare "
        "the "
        "data with the checkpoint's tokenizer",
        path, old->vocab_size(), data.first_file().path(), now->vocab_size());
  for (text::TokenId id = 0; id < old->vocab_size(); ++id)
    if (old->decode(&id, 1) != now->decode(&id, 1) || (id == old->end_token()) != (id == now->end_token()))
      base::fail_usage(
          "run.init_from = '{}' has another tokenizer than data.train = '{}': token {} is '{}' there and '{}' here. "
          "Prepare the data with the checkpoint's tokenizer, or with one that adds tokens behind its own",
          path, data.first_file().path(), id, old->decode(&id, 1), now->decode(&id, 1));
}

/// The name of a block's tensor in another block: "blocks.7.mlp.up.bias" as of layer 1 is "blocks.1.mlp.up.bias".
std::string in_layer(const std::string& name, std::int64_t layer) {
  const std::size_t dot = name.find('.'), rest = name.find('.', dot + 1);
  return fmt::format("{}.{}{}", name.substr(0, dot), layer, name.substr(rest));
}

/// Rows of a tensor that grows with the vocabulary or the context, of a model; 0 for others.
std::int64_t growing_rows(const std::string& name, const config::ModelConfig& config) {
  if (name == "token_embedding" || name == "head.weight") return config.vocab;
  return name == "position_embedding" ? config.context : 0;
}

/// Where the rows that this rank reads of a parameter stand in the smaller model.
checkpoint::TensorTile source_of(const model::Parameter& p, const model::Placement& placement,
                                 const config::ModelConfig& now, const config::ModelConfig& saved) {
  checkpoint::TensorTile source = stored_tile("model", p, placement, p.master);
  tensor::Tile& tile = source.tile;
  const std::int64_t rows = growing_rows(p.spec.name, saved);
  if (p.spec.layer >= 0 && p.spec.layer < now.layers) tile.name = in_layer(tile.name, p.spec.layer % saved.layers);
  if (rows > 0) {
    tile.global_shape.set(0, rows);
    tile.extent.set(0, std::clamp<std::int64_t>(rows - tile.offset[0], 0, tile.extent[0]));
    tile.offset.set(0, std::min(tile.offset[0], rows));
    source.data = source.data.rows(0, tile.extent[0]);
  }
  return source;
}

/// The configuration and step of the file whose weights it reads.
struct Source {
  config::Config config;
  std::int64_t step = 0;
};

Source read_weights(const std::string& file, Replica& replica, const RunData& data) {
  const comm::Communicator& ranks = replica.mesh().all();
  const config::ModelConfig& now = replica.config().model;
  Source source;
  const checkpoint::RunState state = checkpoint::read_state(ranks, file);
  comm::together(ranks, "checkpoint compared", [&] {
    source.config = config::parse_text(state.config, file + ":/run/config");
    require_growth(file, source.config, replica.config());
    require_old_tokens(file, state, data);
  });
  source.step = state.step;
  const config::ModelConfig& saved = source.config.model;
  // A layer that is repeated is read once for each place: tiles of one call must not overlap.
  for (std::int64_t pass = 0; pass * saved.layers < now.layers; ++pass) {
    std::vector<checkpoint::TensorTile> tiles;
    for (const model::Parameter& p : replica.parameters().all()) {
      const bool in_block = p.spec.layer >= 0 && p.spec.layer < now.layers;
      if (p.primary && (in_block ? p.spec.layer / saved.layers : 0) == pass)
        tiles.push_back(source_of(p, replica.parameters().placement(), now, saved));
    }
    checkpoint::read_tiles(ranks, replica.mesh().tensor(), file, tiles);
  }
  return source;
}

}  // namespace

void initialize_from(const std::string& path, Replica& replica, const RunData& data,
                     const std::function<void(const std::string&)>& say) {
  Source source;
  const NewestSound found = read_newest_sound(
      replica.mesh().all(), path, [&](const std::string& file) { source = read_weights(file, replica, data); });
  replica.spread_state();
  const config::ModelConfig &now = replica.config().model, &old = source.config.model;
  std::string grown;
  if (now.layers > old.layers)
    grown += fmt::format("; layers {} -> {}: repeated in their order", old.layers, now.layers);
  if (now.vocab > old.vocab) grown += fmt::format("; vocabulary {} -> {}: new rows as drawn", old.vocab, now.vocab);
  if (now.context > old.context)
    grown += fmt::format("; context {} -> {}: new rows as drawn", old.context, now.context);
  for (const std::string& damage : found.damage) say(fmt::format("warning: {}", damage));
  say(fmt::format("weights from '{}' (step {}){}", found.file, source.step, grown));
}

}  // namespace tessera::train
