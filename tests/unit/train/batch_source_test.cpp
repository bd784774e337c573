// SPDX-License-Identifier: Apache-2.0
#include "train/batch_source.hpp"

#include <boost/test/unit_test.hpp>

#include "unit/train/fixture.hpp"

namespace tessera::testing {
namespace {

config::Config config_of(std::int64_t batch, std::int64_t micro_batch) {
  config::Config config;
  config.run.seed = 9;
  config.model.context = 8;
  config.optim.batch = batch;
  config.optim.micro_batch = micro_batch;
  return config;
}

/// The windows of a step in the order of their samples, gathered from all ranks and micro-batches.
std::vector<std::vector<std::int32_t>> windows_of_step(const train::TokenMixture& mixture, std::int64_t step,
                                                       const config::Config& config, int ranks) {
  std::vector<std::vector<std::int32_t>> windows;
  for (int rank = 0; rank < ranks; ++rank) {
    train::BatchSource batches(mixture, config, rank, ranks);
    for (std::int64_t micro = 0; micro < batches.num_micro_batches(step); ++micro) {
      const model::MicroBatch loaded = batches.load(step, micro);
      BOOST_TEST_REQUIRE(static_cast<std::int64_t>(loaded.samples.front() - windows.size()) ==
                         batches.schedule().first_sample(step));
      for (std::int64_t b = 0; b < loaded.batch(); ++b) {
        const std::int32_t* tokens = loaded.tokens.as<std::int32_t>() + b * 8;
        windows.emplace_back(tokens, tokens + 8);
        windows.back().push_back(loaded.targets.as<std::int32_t>()[b * 8 + 7]);
      }
    }
  }
  return windows;
}

BOOST_AUTO_TEST_CASE(a_step_has_the_same_windows_on_every_layout) {
  const LetterFiles data(3, 5, 40);
  const train::TokenMixture mixture = data.mixture({0.5, 0.25, 0.25});
  for (const std::int64_t step : {0, 1, 7}) {
    const auto serial = windows_of_step(mixture, step, config_of(8, 8), 1);
    BOOST_TEST((windows_of_step(mixture, step, config_of(8, 1), 1) == serial));
    BOOST_TEST((windows_of_step(mixture, step, config_of(8, 2), 2) == serial));
    BOOST_TEST((windows_of_step(mixture, step, config_of(8, 1), 4) == serial));
    BOOST_TEST((windows_of_step(mixture, step + 1, config_of(8, 8), 1) != serial));
  }
}

BOOST_AUTO_TEST_CASE(a_ramp_has_the_same_windows_on_every_layout_and_leaves_none_out) {
  const LetterFiles data(2, 5, 40);
  const train::TokenMixture mixture = data.mixture({0.5, 0.5});
  config::Config serial = config_of(16, 4), cut = config_of(16, 1);
  serial.optim.batch_start = cut.optim.batch_start = 4;
  serial.optim.batch_ramp = cut.optim.batch_ramp = 200;
  std::size_t seen = 0;
  std::vector<std::size_t> batches;
  for (std::int64_t step = 0; step < 6; ++step) {
    const auto windows = windows_of_step(mixture, step, serial, 1);
    BOOST_TEST((windows_of_step(mixture, step, cut, 4) == windows));
    BOOST_TEST((windows_of_step(mixture, step, cut, 2) == windows));
    const train::BatchSource source(mixture, serial, 0, 1);
    BOOST_TEST(source.schedule().first_sample(step) == static_cast<std::int64_t>(seen));
    BOOST_TEST(source.num_targets(step) == static_cast<std::int64_t>(windows.size()) * 8);
    seen += windows.size();
    batches.push_back(windows.size());
  }
  // Thirds of 200 tokens: 0, 32, 64, then 128 of the second batch's 67 to 133 and so on.
  BOOST_TEST((batches == std::vector<std::size_t>{4, 4, 4, 8, 12, 16}));
}

BOOST_AUTO_TEST_CASE(a_batch_that_cannot_be_cut_is_an_error) {
  const LetterFiles data(1, 5, 40);
  BOOST_CHECK_THROW(train::BatchSource(data.mixture({1}), config_of(8, 3), 0, 1), std::logic_error);
  BOOST_CHECK_THROW(train::BatchSource(data.mixture({1}), config_of(8, 4), 0, 4), std::logic_error);
}

BOOST_AUTO_TEST_CASE(windows_come_from_the_source_and_place_that_mixture_and_sampler_say) {
  const LetterFiles data(2, 5, 40);
  const data::Mixture mixture({3, 1});
  std::vector<data::Sampler> samplers;
  for (std::size_t f = 0; f < 2; ++f) samplers.emplace_back(data::source_seed(9, f), data.files[f].num_tokens(), 8);
  const auto windows = windows_of_step(data.mixture({3, 1}), 0, config_of(40, 4), 2);
  for (std::size_t sample = 0; sample < windows.size(); ++sample) {
    const data::Mixture::Place place = mixture.place(sample);
    std::vector<std::int32_t> expected(9);
    data.files[place.source].read(samplers[place.source].first_token(place.index), 9, expected.data());
    BOOST_TEST_REQUIRE((windows[sample] == expected));
  }
}

BOOST_AUTO_TEST_CASE(one_file_is_sampled_as_without_a_mixture) {
  const LetterFiles data(1, 5, 40);
  const data::Sampler sampler(9, data.files[0].num_tokens(), 8);
  const auto windows =
      windows_of_step(train::TokenRange{&data.files[0], 0, data.files[0].num_tokens()}, 3, config_of(4, 4), 1);
  for (std::size_t b = 0; b < 4; ++b) {
    std::vector<std::int32_t> expected(9);
    data.files[0].read(sampler.first_token(12 + b), 9, expected.data());
    BOOST_TEST((windows[b] == expected));
  }
}

}  // namespace
}  // namespace tessera::testing
