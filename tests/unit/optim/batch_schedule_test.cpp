// SPDX-License-Identifier: Apache-2.0
#include "optim/batch_schedule.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <tuple>

namespace tessera::optim {
namespace {

config::OptimConfig ramp(std::int64_t start, std::int64_t batch, std::int64_t tokens) {
  config::OptimConfig config;
  config.batch_start = start;
  config.batch = batch;
  config.batch_ramp = tokens;
  return config;
}

BOOST_AUTO_TEST_CASE(without_a_ramp_every_step_has_the_batch) {
  const BatchSchedule schedule(ramp(0, 12, 0), 64);
  for (const std::int64_t step : {std::int64_t{0}, std::int64_t{5}, std::int64_t{1} << 40}) {
    BOOST_TEST(schedule.batch(step) == 12);
    BOOST_TEST(schedule.first_sample(step) == 12 * step);
  }
}

BOOST_AUTO_TEST_CASE(a_ramp_follows_its_rule_step_by_step) {
  for (const auto& [start, batch, context] : {std::tuple<std::int64_t, std::int64_t, std::int64_t>{2, 16, 8},
                                              {1, 7, 1},
                                              {16, 1536, 2048},
                                              {3, 6, 5},
                                              {1, 100, 3}})
    for (const std::int64_t tokens : {1, 7, 1000, 12345, 3'000'000}) {
      const BatchSchedule schedule(ramp(start, batch, tokens), context);
      std::int64_t samples = 0, last = 0;
      for (std::int64_t step = 0; step < 3000; ++step) {
        const std::int64_t seen = std::min(tokens, samples * context);
        const std::int64_t expected = start * (1 + (batch / start - 1) * seen / tokens);
        BOOST_TEST_REQUIRE(schedule.first_sample(step) == samples);
        BOOST_TEST_REQUIRE(schedule.batch(step) == expected);
        BOOST_TEST_REQUIRE(expected >= last);
        samples += expected;
        last = expected;
      }
    }
}

BOOST_AUTO_TEST_CASE(gpt3_from_32k_to_3_2_million_tokens_over_12_billion) {
  const BatchSchedule schedule(ramp(16, 1536, 12'000'000'000), 2048);
  BOOST_TEST(schedule.batch(0) == 16);
  std::int64_t full = 0;  // first step of the full batch
  while (schedule.batch(full) < 1536) ++full;
  BOOST_TEST(schedule.first_sample(full) >= 12'000'000'000 / 2048);
  BOOST_TEST(schedule.first_sample(full) < 12'000'000'000 / 2048 + 1536);
  // Far away: no loop over the steps before.
  const std::int64_t far = 1'000'000'000'000;
  BOOST_TEST(schedule.first_sample(far) == schedule.first_sample(full) + (far - full) * 1536);
}

BOOST_AUTO_TEST_CASE(ramps_of_any_length_keep_within_64_bits) {
  const BatchSchedule schedule(ramp(1, (1 << 16) + 1, std::int64_t{1} << 62), 2048);  // a stage has 2^46 tokens
  for (const std::int64_t step : {std::int64_t{0}, std::int64_t{1} << 36, (std::int64_t{1} << 38) + 12345}) {
    const std::int64_t seen = 2048 * schedule.first_sample(step);
    BOOST_TEST(schedule.batch(step) == 1 + (seen >> 46));
    BOOST_TEST(schedule.first_sample(step + 1) == schedule.first_sample(step) + schedule.batch(step));
  }
}

}  // namespace
}  // namespace tessera::optim
