// SPDX-License-Identifier: Apache-2.0
#include "text/piece_table.hpp"

#include <map>

#include "fixtures.hpp"

using namespace text_test;

BOOST_AUTO_TEST_SUITE(piece_table)

BOOST_AUTO_TEST_CASE(numbers_pieces_in_the_order_of_their_first_appearance) {
  text::PieceTable table;
  std::map<std::string, text::PieceTable::Index> expected;
  std::size_t num_bytes = 0;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::string piece = random_text(i % 15000).substr(0, 12);
    const auto [entry, is_new] = expected.emplace(piece, expected.size());
    if (is_new) num_bytes += piece.size();
    BOOST_REQUIRE(table.number(piece) == entry->second);
    BOOST_REQUIRE(table.size() == expected.size());
  }
  BOOST_TEST(table.num_bytes() == num_bytes);
  for (const auto& [piece, index] : expected) BOOST_REQUIRE(table[index] == piece);
  table.clear();
  BOOST_TEST(table.size() == 0u);
  BOOST_TEST(table.number("new") == 0u);
  BOOST_TEST(table.number("") == 1u);
  BOOST_TEST(table[0] == "new");
}

BOOST_AUTO_TEST_SUITE_END()
