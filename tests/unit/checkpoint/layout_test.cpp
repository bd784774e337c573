// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/layout.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

namespace tessera::checkpoint {
namespace {

using tensor::Shape;
using tensor::Tile;

/// Fills a global tensor tile by tile through the runs and checks that each element landed where plain index arithmetic
/// puts it.
void check(const Tile& tile, std::int64_t expected_runs) {
  std::int64_t num_runs = 0, next = 0;
  std::vector<std::int64_t> global(static_cast<std::size_t>(tile.global_shape.num_elements()), -1);
  for_each_run(tile, [&](const Run& run) {
    ++num_runs;
    BOOST_TEST(run.tile_element == next);
    next += run.num_elements;
    for (std::int64_t i = 0; i < run.num_elements; ++i)
      global[static_cast<std::size_t>(run.global_element + i)] = run.tile_element + i;
  });
  BOOST_TEST(num_runs == expected_runs);
  BOOST_TEST(next == tile.num_elements());
  const int dims = tile.global_shape.num_dims();
  for (std::int64_t e = 0; e < tile.num_elements(); ++e) {
    std::int64_t rest = e, at = 0, stride = 1;
    for (int dim = dims - 1; dim >= 0; --dim) {
      at += (tile.offset[dim] + rest % tile.extent[dim]) * stride;
      rest /= tile.extent[dim];
      stride *= tile.global_shape[dim];
    }
    BOOST_TEST_REQUIRE(global[static_cast<std::size_t>(at)] == e);
  }
}

BOOST_AUTO_TEST_CASE(whole_tensors_are_one_run) {
  check(tensor::whole("a", {7}), 1);
  check(tensor::whole("a", {3, 5}), 1);
  check(tensor::whole("a", {2, 3, 4}), 1);
}

BOOST_AUTO_TEST_CASE(row_cuts_are_one_run_and_column_cuts_one_a_row) {
  check(tensor::cut(tensor::whole("a", {6, 5}), 0, {2, 2}), 1);
  check(tensor::cut(tensor::whole("a", {5, 6}), 1, {4, 2}), 5);
  check(tensor::cut(tensor::cut(tensor::whole("a", {6, 8}), 1, {4, 4}), 0, {4, 2}), 2);
  check(tensor::cut(tensor::whole("a", {2, 3, 8}), 2, {6, 2}), 6);
  check(tensor::cut(tensor::whole("a", {2, 6, 8}), 1, {3, 3}), 2);
}

BOOST_AUTO_TEST_CASE(an_empty_tile_has_no_run) {
  Tile tile = tensor::whole("a", {4, 4});
  tile.extent.set(0, 0);
  check(tile, 0);
}

}  // namespace
}  // namespace tessera::checkpoint
