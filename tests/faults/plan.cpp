// SPDX-License-Identifier: Apache-2.0
#include "faults/plan.hpp"

#include <stdexcept>
#include <utility>

namespace tessera::faults {
namespace {

/// How often a fault is in a deck, beside one kill at each point.
constexpr std::pair<Fault, int> kShares[] = {{Fault::kill_one, 2},  {Fault::kill_all, 1},   {Fault::kill_at_file, 3},
                                             {Fault::flip_bits, 2}, {Fault::truncate, 2},   {Fault::disk_full, 2},
                                             {Fault::read_only, 2}, {Fault::sync_error, 1}, {Fault::delay, 2}};

std::vector<Round> deck() {
  std::vector<Round> rounds;
  const auto add = [&](Fault fault, Point point) {
    rounds.emplace_back();
    rounds.back().fault = fault;
    rounds.back().point = point;
  };
  for (std::size_t point = 0; point < point_names.size(); ++point) add(Fault::kill_at_point, static_cast<Point>(point));
  for (const auto& [fault, times] : kShares)
    for (int time = 0; time < times; ++time) add(fault, Point::created);
  if (rounds.size() != rounds_of_a_deck) throw std::logic_error("rounds_of_a_deck is not the size of a deck");
  return rounds;
}

}  // namespace

std::uint64_t draw(Random& random, std::uint64_t count) {
  if (count == 0) throw std::runtime_error("nothing to draw from");
  return random() % count;
}

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all = {
      {2, "data 2, zero 1", "--parallel.zero 1"},
      {2, "tensor 2", "--parallel.tensor 2"},
      {2, "pipeline 2", "--parallel.pipeline 2"},
      {3, "data 3", ""},
      {3, "data 3, zero 2", "--parallel.zero 2"},
      {4, "data 2 x tensor 2, zero 1", "--parallel.tensor 2 --parallel.zero 1"},
      {4, "tensor 2 x pipeline 2", "--parallel.tensor 2 --parallel.pipeline 2"},
      {4, "data 2 x pipeline 2", "--parallel.pipeline 2"},
  };
  return all;
}

std::vector<Round> deal(int num_rounds, std::uint64_t seed, int ranks) {
  std::vector<const Layout*> fitting;
  for (const Layout& layout : layouts())
    if (ranks == 0 || layout.ranks == ranks) fitting.push_back(&layout);
  if (fitting.empty()) throw std::invalid_argument("no layout has " + std::to_string(ranks) + " ranks");
  Random random(seed);
  std::array<int, fault_names.size()> times{};
  std::vector<Round> rounds;
  while (rounds.size() < static_cast<std::size_t>(num_rounds)) {
    std::vector<Round> next = deck();
    for (std::size_t i = next.size(); i > 1; --i) std::swap(next[i - 1], next[draw(random, i)]);
    for (Round& round : next) {
      if (rounds.size() == static_cast<std::size_t>(num_rounds)) break;
      round.time = times[static_cast<std::size_t>(round.fault)]++;
      round.number = static_cast<int>(rounds.size()) + 1;
      round.layout = fitting[draw(random, fitting.size())];
      round.async = draw(random, 2) == 1;
      round.seed = random();
      rounds.push_back(round);
    }
  }
  return rounds;
}

}  // namespace tessera::faults
