// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "comm/communicator.hpp"
#include "comm/mesh_shape.hpp"

namespace tessera::comm {

/// World ranks in the order of their places in a mesh: nodes in the order of their first rank, the ranks of a node one
/// behind the other. Tensor ranks, whose places are neighbours, so share a node however the launcher dealt the ranks.
/// Rank 0 has place 0. `node_of_rank`: any number that is equal for ranks of one node.
std::vector<int> order_by_node(const std::vector<int>& node_of_rank);

/// Whether each run of `tensor` neighbouring places lies on one node.
bool tensor_groups_on_one_node(const std::vector<int>& node_of_rank, int tensor);

/// All ranks of the job laid out along the axes tensor, data and pipeline. Each axis has a communicator of its own
/// through this rank, so that bytes_sent() counts the messages of that axis. Built once, collective over `world`;
/// move-only. An axis of size 1 is a group of one, which sends nothing.
class Mesh {
 public:
  /// Throws std::logic_error unless shape.size() is world.size().
  Mesh(const Communicator& world, const MeshShape& shape);

  const MeshShape& shape() const { return shape_; }
  const Coordinates& at() const { return at_; }
  /// Every rank, ordered by place: rank() is the place.
  const Communicator& all() const { return all_; }
  /// Ranks that differ from this one only in their place along the axis, in the order of those places.
  const Communicator& tensor() const { return tensor_; }
  const Communicator& data() const { return data_; }
  const Communicator& pipeline() const { return pipeline_; }
  /// Of every tensor group of the mesh, not only this rank's.
  bool tensor_on_one_node() const { return tensor_on_one_node_; }

 private:
  Mesh(const Communicator& world, const MeshShape& shape, const std::vector<int>& node_of_rank);

  MeshShape shape_;
  bool tensor_on_one_node_;
  Communicator all_;
  Coordinates at_;
  Communicator tensor_, data_, pipeline_;
};

}  // namespace tessera::comm
