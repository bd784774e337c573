// SPDX-License-Identifier: Apache-2.0
// How long the stretches are that ranks write of a checkpoint. Nothing is allocated: tiles are pure.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <sstream>

#include "checkpoint/columns.hpp"
#include "checkpoint/layout.hpp"
#include "config/parse.hpp"
#include "model/placement.hpp"

namespace tessera::train {
namespace {

config::Config model_of(const std::string& name) {
  std::ifstream file(std::string(TESSERA_SOURCE_DIR) + "/configs/models/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  config::Config config = config::parse_text(text.str(), name);
  config.model.vocab = 50257;
  return config;
}

struct Writes {
  std::int64_t count = 0, bytes = 0;
  double mean_bytes() const { return static_cast<double>(bytes) / static_cast<double>(count); }
};

/// Of the weights, over all ranks of a mesh, with and without the exchange of columns.
Writes writes_of(const config::Config& config, const comm::MeshShape& mesh, bool exchanges) {
  Writes writes;
  for (int place = 0; place < mesh.size(); ++place) {
    const model::Placement placement = model::place(config, mesh, mesh.at(place));
    std::int64_t rotation = 0;
    for (const model::PlacedParameter& p : model::placed_parameters(config.model, placement)) {
      const tensor::Tile tile = p.owned();
      if (!p.counted || tile.num_elements() == 0) continue;
      const auto add = [&](std::int64_t elements) {
        writes.count += elements > 0 ? 1 : 0;
        writes.bytes += elements * 4;
      };
      if (!exchanges || !checkpoint::lacks_columns(tile)) {
        checkpoint::for_each_run(tile, [&](const checkpoint::Run& run) { add(run.num_elements); });
        continue;
      }
      const std::int64_t width = tile.global_shape[1];
      const auto rows = checkpoint::deal_rows(tile.extent[0], 4 * width, mesh.tensor, rotation++);
      add(rows[static_cast<std::size_t>(placement.at.tensor)].size * width);
    }
  }
  return writes;
}

BOOST_AUTO_TEST_CASE(eight_tensor_ranks_write_a_mebibyte_at_a_time) {
  for (const std::string name : {"gpt3_1.3b.cfg", "gpt3_13b.cfg", "gpt3_175b.cfg"})
    for (const std::int64_t zero : {0, 1}) {
      config::Config config = model_of(name);
      config.parallel.tensor = 8;
      config.parallel.zero = zero;
      const comm::MeshShape mesh{1, 1, 8};
      const Writes with = writes_of(config, mesh, true), without = writes_of(config, mesh, false);
      BOOST_TEST_MESSAGE(name << ": " << with.count << " writes of " << with.mean_bytes() / (1 << 20)
                              << " MiB, without " << without.count << " of " << without.mean_bytes() / (1 << 20));
      BOOST_TEST(with.bytes == without.bytes);
      BOOST_TEST(with.mean_bytes() >= 1 << 20, name);
      BOOST_TEST(without.mean_bytes() < 1 << 17, name);  // what would be without the exchange
    }
}

}  // namespace
}  // namespace tessera::train
