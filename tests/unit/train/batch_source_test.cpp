// SPDX-License-Identifier: Apache-2.0
#include "train/batch_source.hpp"

#include <boost/test/unit_test.hpp>

#include "unit/train/fixture.hpp"

namespace tessera::testing {
namespace {

/// The windows of a step in the order of their samples, gathered from all ranks and micro-batches.
std::vector<std::vector<std::int32_t>> windows_of_step(const train::TokenMixture& mixture, std::int64_t step,
                                                       std::int64_t batch, std::int64_t micro_batch, int ranks) {
  std::vector<std::vector<std::int32_t>> windows;
  for (int rank = 0; rank < ranks; ++rank) {
    train::BatchSource batches(mixture, 9, 8, {batch, micro_batch, rank, ranks});
    for (std::int64_t micro = 0; micro < batches.cut().num_micro_batches(); ++micro) {
      const model::MicroBatch loaded = batches.load(step, micro);
      BOOST_TEST_REQUIRE(loaded.samples.front() == static_cast<std::uint64_t>(step * batch) + windows.size());
      for (std::int64_t b = 0; b < micro_batch; ++b) {
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
    const auto serial = windows_of_step(mixture, step, 8, 8, 1);
    BOOST_TEST((windows_of_step(mixture, step, 8, 1, 1) == serial));
    BOOST_TEST((windows_of_step(mixture, step, 8, 2, 2) == serial));
    BOOST_TEST((windows_of_step(mixture, step, 8, 1, 4) == serial));
    BOOST_TEST((windows_of_step(mixture, step + 1, 8, 8, 1) != serial));
  }
}

BOOST_AUTO_TEST_CASE(windows_come_from_the_source_and_place_that_mixture_and_sampler_say) {
  const LetterFiles data(2, 5, 40);
  const data::Mixture mixture({3, 1});
  std::vector<data::Sampler> samplers;
  for (std::size_t f = 0; f < 2; ++f) samplers.emplace_back(data::source_seed(9, f), data.files[f].num_tokens(), 8);
  const auto windows = windows_of_step(data.mixture({3, 1}), 0, 40, 4, 2);
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
  const auto windows = windows_of_step(train::TokenRange{&data.files[0], 0, data.files[0].num_tokens()}, 3, 4, 4, 1);
  for (std::size_t b = 0; b < 4; ++b) {
    std::vector<std::int32_t> expected(9);
    data.files[0].read(sampler.first_token(12 + b), 9, expected.data());
    BOOST_TEST((windows[b] == expected));
  }
}

}  // namespace
}  // namespace tessera::testing
