// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checksum.hpp"

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <set>
#include <vector>

namespace tessera::checkpoint {
namespace {

std::vector<float> weights(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i + 1)) * 0.02f;
  return values;
}

std::uint64_t sum_of(const std::vector<float>& values) {
  return sum_of_elements(values.data(), static_cast<std::int64_t>(values.size()), 0);
}

/// The definition, one element at a time.
std::uint64_t plain_sum(const std::vector<float>& values, std::uint64_t first) {
  std::uint64_t sum = 0;
  for (const float value : values) {
    std::uint64_t word = first++ * 0x9e3779b97f4a7c15u + std::bit_cast<std::uint32_t>(value);
    word ^= word >> 30;
    word *= 0xbf58476d1ce4e5b9u;
    word ^= word >> 27;
    word *= 0x94d049bb133111ebu;
    word ^= word >> 31;
    sum += word;
  }
  return sum;
}

BOOST_AUTO_TEST_CASE(the_sum_is_what_files_of_this_format_hold) {
  // Numbers of another implementation (Python); a change of them is a change of the format.
  BOOST_TEST(hex(sum_of({1.0f, -2.5f, 0.0f})) == "089ad057820379af");
  BOOST_TEST(digest({digest_line("/model/b", {3}, hex(7)), digest_line("/model/a", {2, 3}, hex(1))}) ==
             checksum("/model/a [2, 3] 0000000000000001\n/model/b [3] 0000000000000007\n", 63));
}

BOOST_AUTO_TEST_CASE(any_length_and_start_follow_the_definition) {
  for (const std::int64_t count : {0, 1, 7, 8, 9, 31, 64, 1003})
    for (const std::int64_t first : {std::int64_t{0}, std::int64_t{5}, (std::int64_t{1} << 33) + 3}) {
      const std::vector<float> values = weights(count);
      BOOST_TEST(sum_of_elements(values.data(), count, first) == plain_sum(values, static_cast<std::uint64_t>(first)));
    }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_swap_and_cleared_block_changes_the_sum) {
  std::vector<float> values = weights(300);
  std::set<std::uint64_t> seen{sum_of(values)};
  std::size_t changes = 1;
  for (float& value : values)
    for (int bit = 0; bit < 32; ++bit, ++changes) {
      const float before = value;
      value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ (1u << bit));
      seen.insert(sum_of(values));
      value = before;
    }
  for (std::size_t a = 0; a < values.size(); ++a)
    for (std::size_t b = a + 1; b < values.size(); ++b, ++changes) {
      std::swap(values[a], values[b]);
      seen.insert(sum_of(values));
      std::swap(values[a], values[b]);
    }
  for (std::size_t size = 2; size <= values.size(); ++size)
    for (std::size_t first = 8; first + size <= values.size(); first += 16, ++changes) {
      std::vector<float> cleared = values;
      std::fill_n(cleared.begin() + static_cast<std::ptrdiff_t>(first), size, 0.0f);
      seen.insert(sum_of(cleared));
    }
  BOOST_TEST(seen.size() == changes);  // no two of them alike either
}

BOOST_AUTO_TEST_CASE(parts_add_up_to_the_sum_of_the_tensor) {
  const std::vector<float> values = weights(60);
  for (std::int64_t at = 0; at <= 60; ++at)
    BOOST_TEST(sum_of_elements(values.data(), at, 0) + sum_of_elements(values.data() + at, 60 - at, at) ==
               sum_of(values));
}

}  // namespace
}  // namespace tessera::checkpoint
