// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/columns.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>

namespace tessera::checkpoint {
namespace {

constexpr std::int64_t kMiB = least_stretch_bytes;

BOOST_AUTO_TEST_CASE(rows_are_dealt_in_parts_of_at_least_a_mebibyte) {
  for (const int ranks : {1, 2, 3, 8})
    for (const std::int64_t rows : {1, 7, 1000})
      for (const std::int64_t row_bytes : {4, 4096, 300000})
        for (const std::int64_t rotation : {0, 5}) {
          const std::vector<tensor::Range> dealt = deal_rows(rows, row_bytes, ranks, rotation);
          BOOST_TEST_REQUIRE(dealt.size() == static_cast<std::size_t>(ranks));
          std::vector<bool> seen(static_cast<std::size_t>(rows));
          std::int64_t parts = 0;
          for (const tensor::Range& range : dealt) {
            parts += range.size > 0 ? 1 : 0;
            for (std::int64_t row = range.first; row < range.last(); ++row) {
              BOOST_TEST_REQUIRE(!seen[static_cast<std::size_t>(row)]);
              seen[static_cast<std::size_t>(row)] = true;
            }
          }
          BOOST_TEST((std::find(seen.begin(), seen.end(), false) == seen.end()));
          BOOST_TEST(parts * kMiB <= std::max(rows * row_bytes, kMiB));
          BOOST_TEST(dealt[static_cast<std::size_t>(rotation % ranks)].first == 0);
        }
}

BOOST_AUTO_TEST_CASE(only_matrices_without_all_columns_are_exchanged) {
  const tensor::Tile whole = tensor::whole("a", {6, 8});
  BOOST_TEST(!lacks_columns(whole));
  BOOST_TEST(!lacks_columns(tensor::cut(whole, 0, {2, 2})));
  BOOST_TEST(lacks_columns(tensor::cut(whole, 1, {2, 2})));
  BOOST_TEST(!lacks_columns(tensor::cut(tensor::cut(whole, 1, {2, 2}), 0, {3, 0})));
  BOOST_TEST(!lacks_columns(tensor::cut(tensor::whole("b", {8}), 0, {2, 2})));
}

}  // namespace
}  // namespace tessera::checkpoint
