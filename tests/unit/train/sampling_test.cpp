// SPDX-License-Identifier: Apache-2.0
#include "train/sampling.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "train/flops.hpp"
#include "train/setup.hpp"

namespace tessera::train {
namespace {

const std::vector<float> kLogits = {0.0f, 2.0f, 1.0f, 2.0f, -1.0f};

BOOST_AUTO_TEST_CASE(temperature_zero_takes_the_first_of_the_most_likely) {
  BOOST_TEST(sample_token(kLogits, {.temperature = 0}, 0, 0) == 1);
}

BOOST_AUTO_TEST_CASE(draws_follow_the_softmax) {
  constexpr int kDraws = 40000;
  std::vector<int> count(kLogits.size());
  for (int i = 0; i < kDraws; ++i)
    ++count[static_cast<std::size_t>(sample_token(kLogits, {}, 0, static_cast<std::uint64_t>(i)))];
  double total = 0;
  for (const float logit : kLogits) total += std::exp(static_cast<double>(logit));
  for (std::size_t id = 0; id < kLogits.size(); ++id) {
    const double expected = std::exp(static_cast<double>(kLogits[id])) / total * kDraws;
    BOOST_TEST(std::abs(count[id] - expected) < 5 * std::sqrt(expected));  // five standard deviations
  }
}

BOOST_AUTO_TEST_CASE(top_k_and_top_p_cut_the_tail) {
  std::set<int> seen_k, seen_p;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    seen_k.insert(sample_token(kLogits, {.top_k = 2}, 0, i));
    seen_p.insert(sample_token(kLogits, {.top_p = 0.5}, 0, i));  // two tokens have 0.40 each
  }
  BOOST_TEST((seen_k == std::set<int>{1, 3}));
  BOOST_TEST((seen_p == std::set<int>{1, 3}));
  BOOST_TEST(sample_token(kLogits, {.top_p = 0.0}, 0, 1) == 1);
}

BOOST_AUTO_TEST_CASE(streams_and_seeds_differ_and_repeat) {
  std::vector<int> a, b, c;
  for (std::uint64_t i = 0; i < 50; ++i) {
    a.push_back(sample_token(kLogits, {.seed = 1}, 0, i));
    b.push_back(sample_token(kLogits, {.seed = 1}, 1, i));
    c.push_back(sample_token(kLogits, {.seed = 2}, 0, i));
    BOOST_TEST(a.back() == sample_token(kLogits, {.seed = 1}, 0, i));
  }
  BOOST_TEST(a != b);
  BOOST_TEST(a != c);
}

BOOST_AUTO_TEST_CASE(values_that_are_not_finite_are_never_drawn) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  BOOST_TEST(sample_token(std::vector<float>{nan, 0.0f, nan}, {}, 0, 0) == 1);
  BOOST_CHECK_THROW(sample_token(std::vector<float>{nan, nan}, {}, 0, 0), base::Error);
}

BOOST_AUTO_TEST_CASE(micro_batches_divide_the_share_and_stay_small) {
  BOOST_TEST(automatic_micro_batch(12, 64) == 12);
  BOOST_TEST(automatic_micro_batch(256, 2048) == 4);
  BOOST_TEST(automatic_micro_batch(7, 8192) == 1);
  BOOST_TEST(automatic_micro_batch(6, 2048) == 3);
}

BOOST_AUTO_TEST_CASE(micro_batches_keep_a_pipeline_busy) {
  BOOST_TEST(automatic_micro_batch(64, 64, 4) == 4);        // 16 of them
  BOOST_TEST(automatic_micro_batch(64, 4096, 4) == 2);      // 8192 tokens
  BOOST_TEST(automatic_micro_batch(72, 64, 4) == 4);        // 18, where 16 would leave a rest
  BOOST_TEST(automatic_micro_batch(7, 64, 4) == 1);         // the share allows no more
  BOOST_TEST(automatic_micro_batch(72, 64, 4, true) == 3);  // 24: a multiple of 4
  BOOST_TEST(automatic_micro_batch(12, 64, 4, true) == 1);
  config::Config config;
  config.optim.batch = 512;
  config.optim.batch_start = 128;
  config.model.context = 64;
  BOOST_TEST(automatic_micro_batch(config, 4) == 32);  // 4 data ranks
  config.parallel.tensor = config.parallel.pipeline = 2;
  BOOST_TEST(automatic_micro_batch(config, 4) == 16);  // one, 8 micro-batches
  BOOST_TEST(automatic_micro_batch(config, 8) == 8);
  config.optim.batch = config.optim.batch_start = 0;
  BOOST_TEST(automatic_micro_batch(config, 8) == 1);
}

BOOST_AUTO_TEST_CASE(flops_follow_both_conventions) {
  config::ModelConfig config;  // GPT-2 124M
  config.vocab = 50304;
  config.context = 2048;
  BOOST_TEST(flops_per_token(config).causal == 0.865e9, boost::test_tools::tolerance(0.005));
  BOOST_TEST(flops_per_token(config).palm - flops_per_token(config).causal == 6.0 * 12 * 768 * 2048,
             boost::test_tools::tolerance(1e-9));
}

}  // namespace
}  // namespace tessera::train
