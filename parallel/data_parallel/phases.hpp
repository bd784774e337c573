// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace tessera::comm {
class Communicator;
}

namespace tessera::data_parallel {

/// Carries one part of a bucket; a part is known by the rank that owns it.
struct Message {
  int peer = 0, part = 0;
};

/// One round of messages of a bucket; the next one begins when they are complete. Between two ranks parts travel in the
/// same order at both ends.
struct Phase {
  std::vector<Message> sends, receives;  // from the next peer on, so that not all send to the same one first
  std::vector<int> collected;            // parts whose copies are then added; none where sums or weights are handed out
  std::vector<int> summands;             // ranks, this one among them, whose copies are added in this order
};

/// How the rows that each rank owns come together there. In one level every rank sends each part to its owner, who adds
/// in rank order. In two levels, with several ranks on each of several nodes, the ranks of a node first share the work
/// of adding what the node has: the l-th of them adds the parts of the l-th rank of every node. Then ranks of equal l
/// exchange these sums, and the owner adds them in node order: ((r0 + r1) + (r2 + r3)) + ... Each element then
/// leaves a node once, and not once for each of its ranks. Pure.
std::vector<Phase> sum_phases(int ranks, int ranks_per_node, int rank);
/// The way back: what the owners hold to all ranks, first over the network, then inside the nodes. Pure.
std::vector<Phase> gather_phases(int ranks, int ranks_per_node, int rank);

/// Ranks on each node if that is the same number on all and a node's ranks follow each other, else 1. The node of a
/// rank is named by its lowest rank. Pure.
int even_ranks_per_node(const std::vector<int>& node_of_rank);
/// That of a group: the same on all its ranks. Collective.
int ranks_per_node(const comm::Communicator& group);

}  // namespace tessera::data_parallel
