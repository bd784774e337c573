// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.hpp"

#include <boost/test/unit_test.hpp>
#include <numbers>

namespace tessera::train {
namespace {

TokenMixture weighted(double first, double second) {
  TokenMixture mixture;
  mixture.sources = {{{}, first}, {{}, second}};
  return mixture;
}

BOOST_AUTO_TEST_CASE(parts_without_weights_count_by_token_and_others_by_weight) {
  // 30 tokens of 4 bytes with 2 nats each, and 10 tokens of 1 byte with 1 nat each.
  const std::vector<Evaluation> parts = {{2.0, 0.5 / std::numbers::ln2, 30, 120},
                                         {1.0, 1.0 / std::numbers::ln2, 10, 10}};
  const auto tolerance = boost::test_tools::tolerance(1e-12);
  const Evaluation pooled = combine(parts, weighted(0, 0));
  BOOST_TEST(pooled.loss == 70.0 / 40, tolerance);
  BOOST_TEST(*pooled.bits_per_byte == 70.0 / 130 / std::numbers::ln2, tolerance);
  BOOST_TEST(pooled.num_targets == 40);
  BOOST_TEST(pooled.text_bytes == 130U);
  const Evaluation halves = combine(parts, weighted(5, 5));
  BOOST_TEST(halves.loss == 1.5, tolerance);
  BOOST_TEST(*halves.bits_per_byte == 1.5 / 2.5 / std::numbers::ln2, tolerance);
  BOOST_TEST(combine(parts, weighted(1, 3)).loss == 1.25, tolerance);
  BOOST_TEST(*combine({parts[1]}, weighted(7, 0)).bits_per_byte == *parts[1].bits_per_byte);
}

}  // namespace
}  // namespace tessera::train
