// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/phases.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "data_parallel/gradient_sync.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

using data_parallel::Message;
using data_parallel::Phase;
using data_parallel::SyncSettings;
using data_parallel::SyncTensor;
using data_parallel::Wire;

/// All ranks at once, with texts for numbers: what a rank holds of each part says what was added in which order.
class Simulation {
 public:
  Simulation(int ranks, int ranks_per_node) : ranks_(ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      sums_.push_back(data_parallel::sum_phases(ranks, ranks_per_node, rank));
      gathers_.push_back(data_parallel::gather_phases(ranks, ranks_per_node, rank));
      held_.emplace_back(static_cast<std::size_t>(ranks), std::to_string(rank));
    }
  }

  void run_sums() { run(sums_); }
  void run_gathers() { run(gathers_); }
  const std::string& held(int rank, int part) const { return held_[at(rank)][at(part)]; }
  std::size_t num_phases() const { return sums_[0].size(); }

 private:
  static std::size_t at(int index) { return static_cast<std::size_t>(index); }

  void run(const std::vector<std::vector<Phase>>& phases) {
    for (std::size_t i = 0; i < phases[0].size(); ++i) {
      std::map<std::pair<int, int>, std::deque<std::pair<int, std::string>>> wires;  // from, to: parts in order
      for (int rank = 0; rank < ranks_; ++rank)
        for (const Message& message : phases[at(rank)][i].sends)
          wires[{rank, message.peer}].emplace_back(message.part, held(rank, message.part));
      for (int rank = 0; rank < ranks_; ++rank) receive(phases[at(rank)][i], rank, wires);
      for (const auto& [ends, wire] : wires) BOOST_TEST(wire.empty());
    }
  }

  template <class Wires>
  void receive(const Phase& phase, int rank, Wires& wires) {
    std::map<std::pair<int, int>, std::string> copies;  // rank, part
    for (const Message& message : phase.receives) {
      auto& wire = wires[{message.peer, rank}];
      BOOST_REQUIRE(!wire.empty());
      BOOST_REQUIRE(wire.front().first == message.part);
      copies[{message.peer, message.part}] = wire.front().second;
      if (phase.collected.empty()) held_[at(rank)][at(message.part)] = wire.front().second;
      wire.pop_front();
    }
    for (const int part : phase.collected) {
      copies[{rank, part}] = held(rank, part);
      std::string sum;
      for (const int summand : phase.summands) sum += (sum.empty() ? "(" : "+") + copies.at({summand, part});
      held_[at(rank)][at(part)] = sum + ")";
    }
  }

  int ranks_;
  std::vector<std::vector<Phase>> sums_, gathers_;
  std::vector<std::vector<std::string>> held_;  // [ranks][parts]
};

BOOST_AUTO_TEST_CASE(phases_add_in_order_and_reach_all) {
  for (const auto& [ranks, ranks_per_node, sum] :
       std::vector<std::tuple<int, int, std::string>>{{1, 1, "(0)"},
                                                      {2, 0, "(0+1)"},
                                                      {2, 2, "(0+1)"},
                                                      {4, 0, "(0+1+2+3)"},
                                                      {4, 1, "(0+1+2+3)"},
                                                      {4, 4, "(0+1+2+3)"},
                                                      {4, 3, "(0+1+2+3)"},
                                                      {4, 2, "((0+1)+(2+3))"},
                                                      {6, 2, "((0+1)+(2+3)+(4+5))"},
                                                      {6, 3, "((0+1+2)+(3+4+5))"}}) {
    Simulation simulation(ranks, ranks_per_node);
    BOOST_TEST(simulation.num_phases() == (sum[1] == '(' ? 2u : 1u));
    simulation.run_sums();
    for (int rank = 0; rank < ranks; ++rank) BOOST_TEST(simulation.held(rank, rank) == sum);
    simulation.run_gathers();
    for (int rank = 0; rank < ranks; ++rank)
      for (int part = 0; part < ranks; ++part) BOOST_TEST(simulation.held(rank, part) == sum);
  }
}

BOOST_AUTO_TEST_CASE(nodes_count_only_if_they_are_alike) {
  const auto even = data_parallel::even_ranks_per_node;
  BOOST_TEST(even({0}) == 1);
  BOOST_TEST(even({0, 0, 0, 0}) == 4);
  BOOST_TEST(even({0, 0, 2, 2}) == 2);
  BOOST_TEST(even({0, 1, 2, 3}) == 1);
  BOOST_TEST(even({0, 0, 2}) == 1);
  BOOST_TEST(even({0, 0, 2, 3}) == 1);
  BOOST_TEST(even({0, 1, 0, 1}) == 1);
  BOOST_TEST(even({0, 1, 1, 1}) == 1);
  if (world().node_size() == world().size()) BOOST_TEST(data_parallel::ranks_per_node(world()) == world().size());
}

BOOST_AUTO_TEST_CASE(the_network_carries_what_one_rank_of_a_node_would) {
  std::vector<SyncTensor> tensors;
  for (const tensor::Shape& shape : {tensor::Shape{70, 31}, {3}, {1, 500}, {64, 64}})
    tensors.push_back({{nullptr, base::DType::f32, shape},
                       {},
                       {nullptr, base::DType::bf16, shape},
                       static_cast<std::int64_t>(tensors.size()),
                       static_cast<int>(tensors.size()) / 2});
  for (const auto& [ranks, node_size] : {std::pair(4, 2), {8, 4}, {12, 3}, {64, 8}})
    for (const int zero : {0, 1, 2})
      for (const Wire wire : {Wire::fp32, Wire::bf16}) {
        std::uint64_t network[2] = {}, all[2] = {};
        for (const int level : {0, 1})
          for (int rank = 0; rank < ranks; ++rank) {
            const SyncSettings settings{
                .bucket_bytes = 4096, .zero = zero, .wire = wire, .ranks_per_node = level == 0 ? 1 : node_size};
            network[level] += data_parallel::network_bytes_per_step(tensors, ranks, rank, settings, 3, node_size);
            all[level] += data_parallel::bytes_per_step(tensors, ranks, rank, settings, 3);
          }
        BOOST_TEST(network[0] == network[1] * static_cast<std::uint64_t>(node_size));
        BOOST_TEST(network[1] > 0u);
        BOOST_TEST(all[0] == all[1]);
      }
}

}  // namespace
}  // namespace tessera::testing
