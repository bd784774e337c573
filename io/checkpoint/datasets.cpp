// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/datasets.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/core.h>
#include <map>
#include <stdexcept>

#include "checkpoint/files.hpp"
#include "json/json.hpp"

namespace tessera::checkpoint {
namespace {

/// The tiles of a rank as JSON: [["/model/x", [2, 3], 6], ...], elements that are counted last.
std::string describe(const std::vector<TensorTile>& tiles) {
  json::Json list{json::Array{}};
  for (const TensorTile& tensor : tiles) {
    json::Json shape{json::Array{}}, entry{json::Array{}};
    for (int dim = 0; dim < tensor.tile.global_shape.num_dims(); ++dim) shape.push(tensor.tile.global_shape[dim]);
    entry.push(dataset_path(tensor));
    entry.push(std::move(shape));
    entry.push(tensor.counted ? tensor.tile.num_elements() : std::int64_t{0});
    list.push(std::move(entry));
  }
  return list.dump();
}

std::vector<Dataset> merge(const std::vector<std::string>& descriptions) {
  struct Seen {
    std::vector<std::uint64_t> shape;
    std::uint64_t counted = 0;
  };
  std::map<std::string, Seen> all;
  for (const std::string& description : descriptions) {
    const json::Json list = json::parse(description, "tiles of a rank");
    for (const json::Json& entry : list.as_array()) {
      const json::Array& parts = entry.as_array();
      std::vector<std::uint64_t> shape;
      for (const json::Json& extent : parts[1].as_array()) shape.push_back(static_cast<std::uint64_t>(extent.as_int()));
      const auto [at, is_new] = all.try_emplace(parts[0].as_string(), Seen{shape});
      if (at->second.shape != shape) throw std::logic_error(fmt::format("tiles of {} differ in its shape", at->first));
      at->second.counted += static_cast<std::uint64_t>(parts[2].as_int());
    }
  }
  std::vector<Dataset> datasets;
  for (const auto& [path, seen] : all) {
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : seen.shape) elements *= extent;
    if (seen.counted != elements)
      throw std::logic_error(
          fmt::format("the counted tiles of {} hold {} elements, the tensor {}", path, seen.counted, elements));
    datasets.push_back({path, seen.shape});
  }
  return datasets;
}

}  // namespace

std::vector<Dataset> datasets_of(const comm::Communicator& ranks, const std::vector<TensorTile>& tiles) {
  return merge(ranks.gather_text(describe(tiles), "tiles of the checkpoint"));
}

std::size_t index_of(const std::vector<Dataset>& datasets, const TensorTile& tensor) {
  const std::string path = dataset_path(tensor);
  const auto at = std::lower_bound(datasets.begin(), datasets.end(), path,
                                   [](const Dataset& dataset, const std::string& name) { return dataset.path < name; });
  assert(at != datasets.end() && at->path == path);
  return static_cast<std::size_t>(at - datasets.begin());
}

std::vector<std::uint64_t> add_over_ranks(const comm::Communicator& ranks, const std::vector<std::uint64_t>& numbers,
                                          const char* what) {
  constexpr int kTag = 2;
  std::vector<std::uint64_t> sums = numbers, theirs(numbers.size());
  for (int bit = 1; bit < ranks.size(); bit *= 2) {  // a tree: sums modulo 2^64 have the same bits in any order
    if (ranks.rank() % (2 * bit) == bit) {
      comm::Request send = ranks.isend<std::uint64_t>(sums, ranks.rank() - bit, kTag);
      ranks.wait(send, what);
      break;
    }
    if (ranks.rank() + bit >= ranks.size()) continue;
    comm::Request receive = ranks.ireceive<std::uint64_t>(theirs, ranks.rank() + bit, kTag);
    ranks.wait(receive, what);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += theirs[i];
  }
  ranks.broadcast<std::uint64_t>(sums, 0, what);
  return sums;
}

}  // namespace tessera::checkpoint
