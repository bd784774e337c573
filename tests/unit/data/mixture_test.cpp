// SPDX-License-Identifier: Apache-2.0
#include "data/mixture.hpp"

#include <algorithm>
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>

#include "data/sampler.hpp"

namespace tessera::testing {
namespace {

using data::Mixture;

const std::vector<std::vector<double>> kWeights = {{1},
                                                   {0.7, 0.3},
                                                   {1, 1},
                                                   {0.001, 0.999},
                                                   {3, 0.5, 2},
                                                   {0.1, 0.2, 0.3, 0.05, 0.35},
                                                   {1e-9, 1, 5, 1, 1, 1, 1, 1},
                                                   std::vector<double>(17, 2.5)};

double share_of(const std::vector<double>& weights, std::size_t source) {
  return weights[source] / std::accumulate(weights.begin(), weights.end(), 0.0);
}

/// How far the count of a source is from its share, as a part of the bound that the header states.
double excess(const std::vector<double>& weights, std::size_t source, std::uint64_t count, std::uint64_t num_samples) {
  const auto samples = static_cast<double>(num_samples), sources = static_cast<double>(weights.size());
  const double bound = 0.5 * static_cast<double>(std::bit_width(weights.size() - 1)) + sources * samples / 1e9 + 1e-6;
  return std::abs(static_cast<double>(count) - share_of(weights, source) * samples) / bound;
}

BOOST_AUTO_TEST_CASE(each_source_is_counted_up_from_0_and_has_its_share_of_every_beginning) {
  for (const std::vector<double>& weights : kWeights) {
    const Mixture mixture(weights);
    std::vector<std::uint64_t> seen(weights.size(), 0);
    for (std::uint64_t sample = 0; sample < 20'000; ++sample) {
      const Mixture::Place place = mixture.place(sample);
      BOOST_REQUIRE(place.source < weights.size());
      BOOST_REQUIRE(place.index == seen[place.source]++);
      for (std::size_t source = 0; source < weights.size(); ++source) {
        BOOST_REQUIRE(mixture.count(source, sample + 1) == seen[source]);
        BOOST_REQUIRE(excess(weights, source, seen[source], sample + 1) <= 1);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(weights_are_met_and_places_are_unique_at_ten_billion_samples) {
  for (const std::vector<double>& weights : kWeights) {
    const Mixture mixture(weights);
    for (const std::uint64_t start : {std::uint64_t{10'000'000'000}, std::uint64_t{1} << 62}) {
      for (std::size_t source = 0; source < weights.size(); ++source)
        BOOST_REQUIRE(excess(weights, source, mixture.count(source, start), start) <= 1);
      for (std::uint64_t i = 0; i < 2000; ++i) {
        const std::uint64_t sample = start - i * i * 997;
        const Mixture::Place place = mixture.place(sample);
        // Sample and place determine each other: the count of the source rises here only, to the place's index + 1.
        BOOST_REQUIRE(mixture.count(place.source, sample) == place.index);
        BOOST_REQUIRE(mixture.count(place.source, sample + 1) == place.index + 1);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(decimal_weights_are_met_exactly) {
  const Mixture mixture({0.7, 0.3});
  BOOST_TEST(mixture.count(0, 10'000'000'000) == 7'000'000'000U);
  BOOST_TEST(mixture.count(1, 10'000'000'000) == 3'000'000'000U);
  BOOST_TEST(Mixture({70, 30}).count(1, 10) == 3U);
}

BOOST_AUTO_TEST_CASE(every_epoch_of_every_source_visits_each_window_once) {
  const std::vector<double> weights = {0.6, 0.3, 0.1};
  const Mixture mixture(weights);
  std::vector<data::Sampler> samplers;
  std::vector<std::vector<std::int64_t>> starts(weights.size());
  for (std::size_t source = 0; source < weights.size(); ++source)
    samplers.emplace_back(data::source_seed(5, source), 400 + 90 * static_cast<std::int64_t>(source), 8);
  for (std::uint64_t sample = 0; sample < 3000; ++sample) {
    const Mixture::Place place = mixture.place(sample);
    starts[place.source].push_back(samplers[place.source].first_token(place.index));
  }
  for (std::size_t source = 0; source < weights.size(); ++source) {
    const std::size_t n = samplers[source].samples_per_epoch();
    BOOST_TEST(starts[source].size() / n >= 3U);
    for (std::size_t epoch = 0; epoch + 1 <= starts[source].size() / n; ++epoch) {
      const auto begin = starts[source].begin() + static_cast<std::ptrdiff_t>(epoch * n);
      std::vector<std::int64_t> sorted(begin, begin + static_cast<std::ptrdiff_t>(n));
      BOOST_TEST(!std::is_sorted(sorted.begin(), sorted.end()));
      std::sort(sorted.begin(), sorted.end());
      for (std::size_t i = 1; i < n; ++i) BOOST_REQUIRE(sorted[i] - sorted[i - 1] == 8);
    }
  }
}

BOOST_AUTO_TEST_CASE(sources_of_one_size_have_orders_of_their_own) {
  const data::Sampler first(data::source_seed(1, 0), 8001, 8), second(data::source_seed(1, 1), 8001, 8);
  BOOST_TEST(data::source_seed(1, 0) == 1U);
  int same = 0;
  for (std::uint64_t i = 0; i < 900; ++i) same += first.first_token(i) / 8 == second.first_token(i) / 8;
  BOOST_TEST(same < 10);
}

}  // namespace
}  // namespace tessera::testing
