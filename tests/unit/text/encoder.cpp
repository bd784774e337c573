// SPDX-License-Identifier: Apache-2.0
// An encoder remembers pieces; its ids are those of a tokenizer that remembers nothing.
#include "fixtures.hpp"

using namespace text_test;

BOOST_AUTO_TEST_SUITE(encoders)

BOOST_AUTO_TEST_CASE(what_it_met_before_changes_nothing) {
  const auto tokenizer = text::train_bpe({sample_text(3000), random_text(1)}, 330);
  const auto encoder = tokenizer->encoder();
  for (std::uint64_t i = 0; i < 6000; ++i) {
    const std::string sample = random_text(i % 4000) + sample_text(i % 5);
    std::vector<text::TokenId> ids = {-7}, expected = {-7};
    encoder->encode(sample, ids);
    tokenizer->encode(sample, expected);
    BOOST_REQUIRE(ids == expected);
  }
}

BOOST_AUTO_TEST_CASE(more_pieces_than_it_remembers) {
  const auto tokenizer = text::train_bpe({sample_text(3000)}, 310);
  const auto encoder = tokenizer->encoder();
  const auto check_all = [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t number = first; number < last; number += 1000) {
      std::string sample;
      for (std::uint64_t i = number; i < number + 1000; ++i) sample += " waters " + std::to_string(i) + "the";
      std::vector<text::TokenId> ids;
      encoder->encode(sample, ids);
      BOOST_REQUIRE(ids == tokenizer->encode(sample));
    }
  };
  check_all(100'000, 500'000);
  check_all(100'000, 110'000);  // forgotten by now
}

BOOST_AUTO_TEST_CASE(other_tokenizers_have_one_too) {
  const auto tokenizer = text::bytes_tokenizer();
  std::vector<text::TokenId> ids;
  tokenizer->encoder()->encode("ab", ids);
  BOOST_TEST(ids == (std::vector<text::TokenId>{97, 98}));
}

BOOST_AUTO_TEST_SUITE_END()
