// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/phases.hpp"

#include <algorithm>
#include <cstddef>

#include "comm/communicator.hpp"

namespace tessera::data_parallel {
namespace {

/// Ranks that send to each other: all of them, those of a node, or one of each node. Each collects its parts on the way
/// to the owners, and hands them out on the way back.
struct Circle {
  std::vector<int> ranks;
  std::vector<std::vector<int>> parts;  // [ranks]
  std::size_t me = 0;                   // place of this rank

  /// Places of the others, from the next one on.
  std::vector<std::size_t> others() const {
    std::vector<std::size_t> places;
    for (std::size_t step = 1; step < ranks.size(); ++step) places.push_back((me + step) % ranks.size());
    return places;
  }
};

/// From this rank to the owners: one or two.
std::vector<Circle> circles(int ranks, int ranks_per_node, int rank) {
  const bool two_levels = ranks_per_node > 1 && ranks_per_node < ranks && ranks % ranks_per_node == 0;
  const int width = two_levels ? ranks_per_node : 1, local = rank % width;
  std::vector<Circle> circles;
  if (two_levels) {
    Circle& node = circles.emplace_back();
    node.me = static_cast<std::size_t>(local);
    for (int other = 0; other < width; ++other) {
      node.ranks.push_back(rank - local + other);
      std::vector<int>& parts = node.parts.emplace_back();
      for (int part = other; part < ranks; part += width) parts.push_back(part);
    }
  }
  Circle& network = circles.emplace_back();
  network.me = static_cast<std::size_t>(rank / width);
  for (int other = local; other < ranks; other += width) {
    network.ranks.push_back(other);
    network.parts.push_back({other});
  }
  return circles;
}

void append(std::vector<Message>& messages, int peer, const std::vector<int>& parts) {
  for (const int part : parts) messages.push_back({peer, part});
}

}  // namespace

std::vector<Phase> sum_phases(int ranks, int ranks_per_node, int rank) {
  std::vector<Phase> phases;
  for (const Circle& circle : circles(ranks, ranks_per_node, rank)) {
    Phase& phase = phases.emplace_back();
    phase.summands = circle.ranks;
    phase.collected = circle.parts[circle.me];
    for (const std::size_t other : circle.others()) {
      append(phase.sends, circle.ranks[other], circle.parts[other]);
      append(phase.receives, circle.ranks[other], phase.collected);
    }
  }
  return phases;
}

std::vector<Phase> gather_phases(int ranks, int ranks_per_node, int rank) {
  std::vector<Circle> way_back = circles(ranks, ranks_per_node, rank);
  std::reverse(way_back.begin(), way_back.end());
  std::vector<Phase> phases;
  for (const Circle& circle : way_back) {
    Phase& phase = phases.emplace_back();
    for (const std::size_t other : circle.others()) {
      append(phase.sends, circle.ranks[other], circle.parts[circle.me]);
      append(phase.receives, circle.ranks[other], circle.parts[other]);
    }
  }
  return phases;
}

int even_ranks_per_node(const std::vector<int>& node_of_rank) {
  const auto width = static_cast<int>(std::count(node_of_rank.begin(), node_of_rank.end(), node_of_rank.front()));
  const auto ranks = static_cast<int>(node_of_rank.size());
  for (int rank = 0; rank < ranks; ++rank)
    if (node_of_rank[static_cast<std::size_t>(rank)] != rank / width * width) return 1;
  return ranks % width == 0 ? width : 1;
}

int ranks_per_node(const comm::Communicator& group) {
  std::vector<int> nodes(static_cast<std::size_t>(group.size()));
  const int mine = group.node();
  group.all_gather<int>({&mine, 1}, nodes, "nodes of a group");
  return even_ranks_per_node(nodes);
}

}  // namespace tessera::data_parallel
