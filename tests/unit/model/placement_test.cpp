// SPDX-License-Identifier: Apache-2.0
// Whatever the mesh, the tiles of all ranks are the model: nothing twice, nothing forgotten.
#include "model/placement.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>

namespace tessera::model {
namespace {

config::Config gpt3_175b() {
  config::Config config;
  config.model.layers = 96;
  config.model.hidden = 12288;
  config.model.heads = 96;
  config.model.context = 2048;
  config.model.vocab = 50257;
  return config;
}

/// Layers, heads, vocabulary and context divide by no number of ranks.
config::Config uneven() {
  config::Config config;
  config.model.layers = 9;
  config.model.hidden = 20;
  config.model.heads = 5;
  config.model.context = 7;
  config.model.vocab = 50257;
  return config;
}

struct Area {
  std::int64_t row, column, rows, columns;
  std::int64_t size() const { return rows * columns; }
  bool meets(const Area& other) const {
    return row < other.row + other.rows && other.row < row + rows && column < other.column + other.columns &&
           other.column < column + columns;
  }
};

Area area_of(const tensor::Tile& tile) {
  const bool is_matrix = tile.extent.num_dims() > 1;
  return {tile.offset[0], is_matrix ? tile.offset[1] : 0, tile.extent[0], is_matrix ? tile.extent[1] : 1};
}

/// True if the areas lie within the tensor, none on another, and fill it.
bool fill(const std::vector<Area>& areas, const tensor::Shape& shape) {
  const std::int64_t columns = shape.num_dims() > 1 ? shape[1] : 1;
  std::int64_t size = 0;
  for (std::size_t i = 0; i < areas.size(); ++i) {
    const Area& a = areas[i];
    if (a.row < 0 || a.column < 0 || a.row + a.rows > shape[0] || a.column + a.columns > columns) return false;
    size += a.size();
    for (std::size_t j = 0; j < i; ++j)
      if (a.size() > 0 && areas[j].size() > 0 && a.meets(areas[j])) return false;
  }
  return size == shape.num_elements();
}

/// Of every tensor the counted tiles of all ranks fill it; and so, for each data rank, do the primary ones, of which
/// gradient norms are summed.
void covers_once(const config::Config& config, const comm::MeshShape& mesh) {
  const std::vector<ParameterSpec> specs = parameter_specs(config.model);
  std::vector<std::vector<Area>> counted(specs.size());
  std::vector<std::vector<Area>> primary(specs.size() * static_cast<std::size_t>(mesh.data));
  for (int rank = 0; rank < mesh.size(); ++rank) {
    const comm::Coordinates at = mesh.at(rank);
    for (const PlacedParameter& p : placed_parameters(config.model, place(config, mesh, at))) {
      const auto number = static_cast<std::size_t>(p.rotation);
      if (p.counted) counted[number].push_back(area_of(p.owned()));
      if (p.primary)
        primary[number * static_cast<std::size_t>(mesh.data) + static_cast<std::size_t>(at.data)].push_back(
            area_of(p.tile));
    }
  }
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    wrong += fill(counted[i], specs[i].shape) ? 0 : 1;
    for (std::size_t data = 0; data < static_cast<std::size_t>(mesh.data); ++data)
      wrong += fill(primary[i * static_cast<std::size_t>(mesh.data) + data], specs[i].shape) ? 0 : 1;
  }
  BOOST_TEST(wrong == 0U, wrong << " of " << specs.size() * (1 + static_cast<std::size_t>(mesh.data))
                                << " covers of tensors are wrong on " << mesh.str() << ", zero " << config.parallel.zero
                                << ", virtual stages " << config.parallel.virtual_stages);
}

BOOST_AUTO_TEST_CASE(gpt3_175b_on_1024_ranks_is_covered_once) {
  config::Config config = gpt3_175b();
  config.parallel.zero = 1;
  covers_once(config, {8, 16, 8});
  config.parallel.virtual_stages = 2;  // 32 parts of 3 layers
  covers_once(config, {8, 16, 8});
}

BOOST_AUTO_TEST_CASE(uneven_models_are_covered_once) {
  for (const bool tied : {true, false})
    for (const std::int64_t virtual_stages : {1, 2})
      for (const std::int64_t zero : {0, 1, 2})
        for (const comm::MeshShape& mesh :
             {comm::MeshShape{1, 1, 1}, {1, 1, 3}, {1, 1, 4}, {3, 1, 1}, {1, 4, 1}, {2, 2, 2}, {3, 3, 5}, {64, 1, 2}}) {
          config::Config config = uneven();
          config.model.tied_head = tied;
          config.parallel.zero = zero;
          config.parallel.virtual_stages = mesh.pipeline > 1 ? virtual_stages : 1;
          covers_once(config, mesh);
        }
}

BOOST_AUTO_TEST_CASE(heads_stay_whole) {
  const config::Config config = uneven();
  for (const int tensor : {2, 3, 4, 5})
    for (int rank = 0; rank < tensor; ++rank)
      for (const PlacedParameter& p : placed_parameters(config.model, place(config, {1, 1, tensor}, {0, 0, rank})))
        if (p.spec.name.find("attention.") != std::string::npos && p.spec.tensor_dim >= 0) {
          BOOST_TEST(p.tile.offset[p.spec.tensor_dim] % config.model.head_dim() == 0);
          BOOST_TEST(p.tile.extent[p.spec.tensor_dim] % config.model.head_dim() == 0);
          BOOST_TEST(p.tile.extent[p.spec.tensor_dim] > 0);
        }
}

/// Work of the head in layers, as split_layers() counts it.
double head_in_layers(const config::ModelConfig& model) {
  const auto H = static_cast<double>(model.hidden), T = static_cast<double>(model.context);
  return static_cast<double>(model.vocab) / (12 * H + T);
}

/// Layers that parts of at most `load` have room for, the last of them with the head.
std::int64_t room_for(double load, double head, std::int64_t num_parts) {
  const auto whole = [](double layers) { return static_cast<std::int64_t>(std::floor(layers)); };
  return (num_parts - 1) * whole(load) + std::max<std::int64_t>(1, whole(load - head));
}

/// They are all of the layers, every part has one, and no other split has a smaller largest part.
void is_best_split(const config::ModelConfig& model, std::int64_t num_parts) {
  const std::vector<std::int64_t> layers = split_layers(model, num_parts);
  BOOST_TEST(layers.size() == static_cast<std::size_t>(num_parts));
  BOOST_TEST(std::accumulate(layers.begin(), layers.end(), std::int64_t{0}) == model.layers);
  BOOST_TEST(*std::min_element(layers.begin(), layers.end()) >= 1);
  const double head = head_in_layers(model);
  const std::int64_t largest_before = num_parts == 1 ? 0 : *std::max_element(layers.begin(), layers.end() - 1);
  const double largest = std::max(static_cast<double>(largest_before), static_cast<double>(layers.back()) + head);
  const bool head_alone_is_largest = layers.back() == 1 && static_cast<double>(largest_before) <= 1 + head;
  BOOST_TEST((head_alone_is_largest || room_for(largest - 1e-9, head, num_parts) < model.layers),
             model.layers << " layers in " << num_parts << " parts could be split better than to " << largest);
}

BOOST_AUTO_TEST_CASE(layers_are_split_evenly_with_the_head_counted) {
  config::ModelConfig model = gpt3_175b().model;
  for (const std::int64_t layers : {8, 9, 95, 96, 97, 124})
    for (const std::int64_t hidden : {16, 768, 12288})
      for (const std::int64_t num_parts : {1, 2, 3, 8}) {
        model.layers = layers;
        model.hidden = hidden;
        is_best_split(model, num_parts);
      }
  // A head worth 1.24 layers: of 124 layers and it, 8 stages get 15.7 each.
  model = {.layers = 124, .hidden = 16, .heads = 2, .context = 16, .vocab = 257};
  const std::vector<std::int64_t> layers = split_layers(model, 8);
  BOOST_TEST(layers.back() == 14);
  BOOST_TEST(std::count(layers.begin(), layers.end() - 1, 16) == 5);
  BOOST_TEST(std::count(layers.begin(), layers.end() - 1, 15) == 2);
  model.vocab = 100000;  // a head of more than all layers: one layer beside it, the others evenly
  BOOST_TEST(split_layers(model, 2) == (std::vector<std::int64_t>{123, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(embedding_and_head_lie_at_the_ends) {
  for (const std::int64_t virtual_stages : {1, 2}) {
    config::Config config = uneven();
    config.model.tied_head = false;
    config.parallel.virtual_stages = virtual_stages;
    std::vector<std::int64_t> owners(static_cast<std::size_t>(config.model.layers), 0);
    for (int stage = 0; stage < 4; ++stage) {
      const Placement placement = place(config, {1, 4, 1}, {0, stage, 0});
      BOOST_TEST(placement.parts.size() == static_cast<std::size_t>(virtual_stages));
      for (std::size_t chunk = 0; chunk < placement.parts.size(); ++chunk) {
        const Part& part = placement.parts[chunk];
        BOOST_TEST(part.embeds == (stage == 0 && chunk == 0));
        BOOST_TEST(part.has_head == (stage == 3 && chunk + 1 == placement.parts.size()));
        BOOST_TEST((part.layers.first == 0) == part.embeds);
        BOOST_TEST((part.layers.last() == config.model.layers) == part.has_head);
        for (std::int64_t layer = part.layers.first; layer < part.layers.last(); ++layer)
          ++owners[static_cast<std::size_t>(layer)];
      }
      for (const PlacedParameter& p : placed_parameters(config.model, placement)) {
        if (p.spec.name.ends_with("_embedding")) BOOST_TEST(stage == 0, p.spec.name);
        if (p.spec.name.starts_with("final_norm") || p.spec.name == "head.weight") BOOST_TEST(stage == 3, p.spec.name);
      }
    }
    BOOST_TEST(std::count(owners.begin(), owners.end(), 1) == config.model.layers);
  }
}

BOOST_AUTO_TEST_CASE(a_tied_embedding_has_a_copy_beside_the_head) {
  const config::Config config = uneven();
  for (int stage = 0; stage < 4; ++stage) {
    int held = 0, counted = 0;
    for (const PlacedParameter& p : placed_parameters(config.model, place(config, {1, 4, 1}, {0, stage, 0}))) {
      if (p.spec.name != "token_embedding") continue;
      ++held;
      counted += p.counted ? 1 : 0;
    }
    BOOST_TEST(held == (stage == 0 || stage == 3 ? 1 : 0));
    BOOST_TEST(counted == (stage == 0 ? 1 : 0));
  }
}

}  // namespace
}  // namespace tessera::model
