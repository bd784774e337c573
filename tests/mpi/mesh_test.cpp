// SPDX-License-Identifier: Apache-2.0
#include "comm/mesh.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

using comm::Communicator;
using comm::Coordinates;
using comm::Mesh;
using comm::MeshShape;

using Ranks = std::vector<int>;

BOOST_AUTO_TEST_CASE(ranks_of_a_node_get_neighbouring_places) {
  BOOST_TEST(comm::order_by_node({}) == Ranks());
  BOOST_TEST(comm::order_by_node({0}) == Ranks({0}));
  BOOST_TEST(comm::order_by_node({0, 0, 2, 2}) == Ranks({0, 1, 2, 3}));
  BOOST_TEST(comm::order_by_node({0, 1, 0, 1, 0, 1}) == Ranks({0, 2, 4, 1, 3, 5}));  // dealt round robin
  BOOST_TEST(comm::order_by_node({9, 3, 9, 5, 3, 5, 9}) ==
             Ranks({0, 2, 6, 1, 4, 3, 5}));  // rank 0 first, whatever node
}

BOOST_AUTO_TEST_CASE(a_tensor_group_that_spans_nodes_is_seen) {
  BOOST_TEST(comm::tensor_groups_on_one_node({0, 1, 0, 1}, 2));
  BOOST_TEST(!comm::tensor_groups_on_one_node({0, 1, 0, 1}, 4));
  BOOST_TEST(!comm::tensor_groups_on_one_node({0, 0, 0, 3, 3, 3}, 2));
  BOOST_TEST(comm::tensor_groups_on_one_node({0, 0, 0, 3, 3, 3}, 3));
  BOOST_TEST(comm::tensor_groups_on_one_node({0, 1, 2}, 1));
}

BOOST_AUTO_TEST_CASE(places_and_coordinates_are_inverse) {
  const MeshShape shape{3, 4, 2};  // data, pipeline, tensor
  BOOST_TEST(shape.size() == 24);
  for (int place = 0; place < shape.size(); ++place) BOOST_TEST(shape.place(shape.at(place)) == place);
  BOOST_TEST((shape.at(1) == Coordinates{0, 0, 1}));  // tensor fastest, then data, then pipeline
  BOOST_TEST((shape.at(2) == Coordinates{1, 0, 0}));
  BOOST_TEST((shape.at(6) == Coordinates{0, 1, 0}));
}

std::vector<MeshShape> shapes_of(int size) {
  std::vector<MeshShape> shapes;
  for (int data = 1; data <= size; ++data)
    for (int tensor = 1; tensor <= size / data; ++tensor)
      if (size % (data * tensor) == 0) shapes.push_back({data, size / (data * tensor), tensor});
  return shapes;
}

BOOST_AUTO_TEST_CASE(groups_go_along_their_axes) {
  for (const MeshShape& shape : shapes_of(world().size())) {
    const Mesh mesh(world(), shape);
    BOOST_TEST((mesh.shape() == shape));
    BOOST_TEST(mesh.all().size() == world().size());
    BOOST_TEST(mesh.all().rank() == world().rank());  // the tests run on one node
    BOOST_TEST(shape.place(mesh.at()) == mesh.all().rank());
    BOOST_TEST(mesh.tensor_on_one_node());
    const auto check = [&](const Communicator& group, int Coordinates::*axis, int size, const char* name) {
      BOOST_TEST(group.size() == size);
      BOOST_TEST(group.rank() == mesh.at().*axis);
      BOOST_TEST(group.name() == name);
      std::vector<int> places(static_cast<std::size_t>(size));
      const int mine = mesh.all().rank();
      group.all_gather<int>({&mine, 1}, places, "places");
      for (int i = 0; i < size; ++i) {
        Coordinates expected = mesh.at();
        expected.*axis = i;
        BOOST_TEST(places[static_cast<std::size_t>(i)] == shape.place(expected), shape.str() << ", " << name);
      }
    };
    check(mesh.tensor(), &Coordinates::tensor, shape.tensor, "tensor axis");
    check(mesh.data(), &Coordinates::data, shape.data, "data axis");
    check(mesh.pipeline(), &Coordinates::pipeline, shape.pipeline, "pipeline axis");
    BOOST_TEST(mesh.all().name() == "all ranks");
  }
}

BOOST_AUTO_TEST_CASE(each_axis_counts_its_own_bytes) {
  const int size = world().size();
  const Mesh mesh(world(), {size, 1, 1});
  const std::uint64_t before = mesh.data().bytes_sent();
  std::vector<double> all(static_cast<std::size_t>(size));
  const double mine = 1;
  mesh.data().all_gather<double>({&mine, 1}, all, "ones");
  BOOST_TEST(mesh.data().bytes_sent() - before == 8u * static_cast<unsigned>(size - 1));
  BOOST_TEST(mesh.all().bytes_sent() == 0u);
  BOOST_TEST(mesh.tensor().bytes_sent() == 0u);
}

BOOST_AUTO_TEST_CASE(a_mesh_of_another_size_is_refused) {
  BOOST_CHECK_THROW(Mesh(world(), {world().size() + 1, 1, 1}), std::logic_error);
  BOOST_CHECK_THROW(Mesh(world(), {-world().size(), -1, 1}), std::logic_error);
}

BOOST_AUTO_TEST_CASE(a_key_orders_the_ranks_of_a_split) {
  const Communicator& ranks = world();
  const Communicator reversed = ranks.split(0, -ranks.rank());
  BOOST_TEST(reversed.size() == ranks.size());
  BOOST_TEST(reversed.rank() == ranks.size() - 1 - ranks.rank());
  BOOST_TEST(reversed.node() == 0);  // of the group, on whose node all are
}

}  // namespace
}  // namespace tessera::testing
