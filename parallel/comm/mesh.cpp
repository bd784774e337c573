// SPDX-License-Identifier: Apache-2.0
#include "comm/mesh.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <numeric>
#include <stdexcept>

namespace tessera::comm {
namespace {

/// The node of each rank, after the one check that makes the mesh possible.
std::vector<int> nodes_of(const Communicator& world, const MeshShape& shape) {
  if (std::min({shape.data, shape.pipeline, shape.tensor}) < 1 || shape.size() != world.size())
    throw std::logic_error(fmt::format("a mesh of {} does not hold {} ranks", shape.str(), world.size()));
  std::vector<int> nodes(static_cast<std::size_t>(world.size()));
  const int mine = world.node();
  world.all_gather<int>({&mine, 1}, nodes, "nodes of all ranks");
  return nodes;
}

int place_of(int rank, const std::vector<int>& node_of_rank) {
  const std::vector<int> order = order_by_node(node_of_rank);
  return static_cast<int>(std::find(order.begin(), order.end(), rank) - order.begin());
}

Communicator named(Communicator group, const char* name) {
  group.set_name(name);
  return group;
}

}  // namespace

std::vector<int> order_by_node(const std::vector<int>& node_of_rank) {
  std::vector<int> order(node_of_rank.size()), first(node_of_rank.size());
  for (std::size_t rank = 0; rank < first.size(); ++rank)
    first[rank] = static_cast<int>(std::find(node_of_rank.begin(), node_of_rank.end(), node_of_rank[rank]) -
                                   node_of_rank.begin());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return first[static_cast<std::size_t>(a)] < first[static_cast<std::size_t>(b)];
  });
  return order;
}

bool tensor_groups_on_one_node(const std::vector<int>& node_of_rank, int tensor) {
  const std::vector<int> order = order_by_node(node_of_rank);
  const auto node = [&](std::size_t place) { return node_of_rank[static_cast<std::size_t>(order[place])]; };
  const auto width = static_cast<std::size_t>(tensor);
  for (std::size_t place = 0; place < order.size(); ++place)
    if (node(place) != node(place / width * width)) return false;
  return true;
}

Mesh::Mesh(const Communicator& world, const MeshShape& shape) : Mesh(world, shape, nodes_of(world, shape)) {}

Mesh::Mesh(const Communicator& world, const MeshShape& shape, const std::vector<int>& node_of_rank)
    : shape_(shape),
      tensor_on_one_node_(tensor_groups_on_one_node(node_of_rank, shape.tensor)),
      all_(named(world.split(0, place_of(world.rank(), node_of_rank)), "all ranks")),
      at_(shape.at(all_.rank())),
      tensor_(named(all_.split(at_.pipeline * shape.data + at_.data, at_.tensor), "tensor axis")),
      data_(named(all_.split(at_.pipeline * shape.tensor + at_.tensor, at_.data), "data axis")),
      pipeline_(named(all_.split(at_.data * shape.tensor + at_.tensor, at_.pipeline), "pipeline axis")) {}

}  // namespace tessera::comm
