// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.hpp"

#include <algorithm>
#include <bit>
#include <set>

#include "base/philox.hpp"
#include "data/windows.hpp"
#include "unit/data/fixture.hpp"

namespace tessera::testing {
namespace {

BOOST_AUTO_TEST_CASE(permutations_of_every_small_size) {
  for (std::uint64_t size = 1; size <= 600; ++size) {
    std::vector<bool> seen(size, false);
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t to = data::permute(7, size % 3, size, i);
      BOOST_REQUIRE(to < size);
      BOOST_REQUIRE(!seen[to]);
      seen[to] = true;
    }
  }
}

BOOST_AUTO_TEST_CASE(permutations_of_huge_sizes_stay_in_range_and_collide_nowhere) {
  for (const std::uint64_t size : {std::uint64_t{10'000'000'000}, (std::uint64_t{1} << 63) + 5, ~std::uint64_t{0}}) {
    std::set<std::uint64_t> seen;
    double sum = 0;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t to = data::permute(1, 0, size, i * (size / 20'000));
      BOOST_REQUIRE(to < size);
      seen.insert(to);
      sum += static_cast<double>(to) / static_cast<double>(size);
    }
    BOOST_TEST(seen.size() == 20'000U);
    BOOST_TEST(std::abs(sum / 20'000 - 0.5) < 5 * 0.2887 / 141.4);  // five standard deviations of a uniform mean
  }
}

/// The permutation run backwards: the rounds in reverse, again until the element lies in range.
std::uint64_t inverse_of_permute(std::uint64_t seed, std::uint64_t epoch, std::uint64_t size, std::uint64_t to) {
  const base::PhiloxKey key = base::philox_key(seed, base::RandomStream::data_order);
  const int half_bits = std::max(1, static_cast<int>(std::bit_width(size - 1) + 1) / 2);
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  do {
    std::uint64_t left = to >> half_bits, right = to & mask;
    for (std::uint32_t round = 8; round-- > 0;) {
      std::uint32_t words[4];
      base::philox4x32(key, static_cast<std::uint32_t>(left), round, static_cast<std::uint32_t>(epoch),
                       static_cast<std::uint32_t>(epoch >> 32), words);
      const std::uint64_t before = right ^ (words[0] & mask);
      right = left;
      left = before;
    }
    to = left << half_bits | right;
  } while (to >= size);
  return to;
}

BOOST_AUTO_TEST_CASE(permutations_of_huge_sizes_have_an_inverse) {
  for (const std::uint64_t size : {std::uint64_t{1000}, std::uint64_t{10'000'000'000}, (std::uint64_t{1} << 63) + 5})
    for (std::uint64_t i = 0; i < 5000; ++i) {
      const std::uint64_t index = i * (size / 5000 + 1) % size, epoch = i % 7 << 32;
      BOOST_REQUIRE(inverse_of_permute(3, epoch, size, data::permute(3, epoch, size, index)) == index);
      BOOST_REQUIRE(data::permute(3, epoch, size, inverse_of_permute(3, epoch, size, index)) == index);
    }
}

BOOST_AUTO_TEST_CASE(samples_of_ten_billion_windows_lie_in_the_data_and_apart) {
  constexpr std::int64_t context = 2048, windows = 10'000'000'000, num_tokens = (windows + 1) * context + 1;
  const data::Sampler sampler(11, num_tokens, context);
  BOOST_TEST(sampler.samples_per_epoch() == static_cast<std::uint64_t>(windows));
  // A function that drew windows at random would give one of them twice in 400'000 draws (8 pairs on average).
  std::vector<std::int64_t> starts;
  for (std::uint64_t i = 0; i < 400'000; ++i) {
    starts.push_back(sampler.first_token(2 * static_cast<std::uint64_t>(windows) - 400'000 + i));
    BOOST_REQUIRE((starts.back() >= 0 && starts.back() + context < num_tokens));
  }
  std::sort(starts.begin(), starts.end());
  for (std::size_t i = 1; i < starts.size(); ++i) BOOST_REQUIRE(starts[i] - starts[i - 1] >= context);
}

BOOST_AUTO_TEST_CASE(epochs_and_seeds_have_orders_of_their_own) {
  std::size_t same_epoch = 0, same_seed = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    same_epoch += data::permute(1, 0, 1000, i) == data::permute(1, 1, 1000, i);
    same_seed += data::permute(1, 0, 1000, i) == data::permute(2, 0, 1000, i);
    BOOST_REQUIRE(data::permute(1, 0, 1000, i) == data::permute(1, 0, 1000, i));
  }
  BOOST_TEST(same_epoch < 10U);  // one on average
  BOOST_TEST(same_seed < 10U);
}

BOOST_AUTO_TEST_CASE(samples_lie_inside_the_data_and_apart_from_each_other) {
  for (const std::int64_t context : {1, 2, 7, 64})
    for (const std::int64_t num_tokens : {context + 1, context + 2, 2 * context, 2 * context + 1, 3 * context + 1,
                                          10 * context + 5, std::int64_t{5000}}) {
      if (num_tokens < context + 1) continue;
      const data::Sampler sampler(3, num_tokens, context);
      const std::uint64_t n = sampler.samples_per_epoch();
      for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        std::set<std::int64_t> starts;
        for (std::uint64_t i = 0; i < n; ++i) {
          const std::int64_t first = sampler.first_token(epoch * n + i);
          BOOST_REQUIRE((first >= 0 && first + context < num_tokens));
          starts.insert(first);
        }
        BOOST_REQUIRE(starts.size() == n);
        for (auto at = starts.begin(); std::next(at) != starts.end(); ++at)
          BOOST_REQUIRE(*std::next(at) - *at == context);
      }
      BOOST_TEST(static_cast<std::int64_t>(n) >= (num_tokens - 1) / context - 1);
    }
  BOOST_CHECK_THROW(data::Sampler(1, 10, 10), base::UsageError);
}

BOOST_AUTO_TEST_CASE(windows_make_every_token_but_the_first_a_target_once) {
  const DataFolder folder;
  std::string text;
  for (int i = 0; i < 99; ++i) text += static_cast<char>(i);
  const data::TokenFile file = data::TokenFile::open(folder.prepare({folder.write("t.txt", text)}, "bytes"));
  for (const std::int64_t context : {1, 7, 33, 98, 99, 200})
    for (const auto& [first, last] : {std::pair<std::int64_t, std::int64_t>{0, 100}, {10, 47}, {98, 100}}) {
      std::vector<int> seen(100, 0);
      for (std::int64_t w = 0; w < data::num_windows(last - first, context); ++w) {
        std::vector<std::int32_t> tokens(static_cast<std::size_t>(context)), targets(tokens.size());
        data::fill_window(file, first, last, context, w, tokens.data(), targets.data());
        for (std::size_t t = 0; t < tokens.size(); ++t) {
          if (targets[t] < 0) continue;
          const std::int64_t at = first + w * context + static_cast<std::int64_t>(t);
          BOOST_REQUIRE(tokens[t] == at);  // token i of this text is i
          ++seen[static_cast<std::size_t>(at + 1)];
          BOOST_REQUIRE(targets[t] == (at + 1 == 99 ? 256 : at + 1));
        }
      }
      for (std::int64_t i = 0; i < 100; ++i)
        BOOST_REQUIRE(seen[static_cast<std::size_t>(i)] == (i > first && i < last ? 1 : 0));
    }
  BOOST_TEST(data::num_windows(1, 5) == 0);
}

}  // namespace
}  // namespace tessera::testing
