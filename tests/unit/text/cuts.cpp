// SPDX-License-Identifier: Apache-2.0
// Where a text may be cut, and threads that encode its parts.
#include "text/cuts.hpp"

#include "fixtures.hpp"
#include "text/bpe_pattern.hpp"
#include "text/parallel_encoder.hpp"

using namespace text_test;

namespace {

std::vector<std::string> pieces_of(const std::vector<std::string_view>& parts) {
  static const text::BpePattern pattern;
  std::vector<std::string> pieces;
  for (const std::string_view part : parts) {
    text::PieceWalk walk(pattern, part);
    for (std::string_view piece; walk.next_by_pattern(piece);) pieces.emplace_back(piece);
  }
  return pieces;
}

/// Prose, Chinese, line ends of all kinds, broken bytes, and a stretch without any place for a cut.
std::string mixed_text() {
  std::string out;
  for (std::uint64_t i = 0; i < 30000; ++i) {
    out += i % 3 == 0 ? random_text(i) : sample_text(i % 7);
    out += i % 5 == 0 ? "\r\n" : i % 5 == 1 ? "\xE3\x80\x82\n" : i % 5 == 2 ? "\n\n " : "";
    if (i == 15000) out += std::string(700'000, 'x') + "\xE3\x80\x80";
  }
  return out;
}

std::vector<text::TokenId> joined(const std::vector<std::vector<text::TokenId>>& parts) {
  std::vector<text::TokenId> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cuts)

BOOST_AUTO_TEST_CASE(in_front_of_white_space_before_a_character) {
  BOOST_TEST(text::last_cut("ab cd ef") == 5u);
  BOOST_TEST(text::last_cut("ab cd ef", 6) == 0u);
  BOOST_TEST(text::last_cut("ab  cd") == 3u);
  BOOST_TEST(text::last_cut("ab\r\ncd") == 3u);
  BOOST_TEST(text::last_cut("\xFF\x80 x") == 2u);
  for (const char* none : {"", " ", "abc", " ab", "ab  ", "ab \xE3\x80\x80", "ab \xFF"})
    BOOST_TEST(text::last_cut(none) == 0u, none);
}

BOOST_AUTO_TEST_CASE(parts_have_the_pieces_of_the_whole) {
  // Every text of up to five of these, cut as often as can be.
  const std::vector<std::string> symbols = {"a", "'", "s", " ", "\n", "\xE3\x80\x80", "\xC2\x85", "\xE4\xB8", "\x80"};
  std::vector<std::string> texts = {""};
  std::size_t num_cut = 0;
  for (int length = 1; length <= 5; ++length) {
    std::vector<std::string> longer;
    for (const std::string& sample : texts)
      for (const std::string& symbol : symbols) longer.push_back(sample + symbol);
    texts = std::move(longer);
    for (const std::string& sample : texts) {
      const std::vector<std::string_view> parts = text::cut(sample, 1);
      num_cut += parts.size() > 1 ? 1 : 0;
      BOOST_REQUIRE_MESSAGE(pieces_of(parts) == pieces_of({sample}), sample);
    }
  }
  BOOST_TEST(num_cut > 10000u);
}

BOOST_AUTO_TEST_CASE(parts_are_as_long_as_asked) {
  const std::string sample = mixed_text();
  std::string together;
  for (const std::string_view part : text::cut(sample, 10'000)) {
    BOOST_TEST((part.size() <= 10'000 || part.find("xxx") != part.npos));
    together += part;
  }
  BOOST_TEST((together == sample));
  BOOST_TEST(text::cut("", 5).empty());
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_gives_the_same_ids) {
  const std::string sample = mixed_text();
  const auto bpe = text::train_bpe({sample_text(3000)}, 310), bytes = text::bytes_tokenizer();
  for (const text::Tokenizer* tokenizer : {bpe.get(), bytes.get()}) {
    const std::vector<text::TokenId> expected = tokenizer->encode(sample);
    for (const int threads : {1, 2, 3, 7}) {
      text::ParallelEncoder encoder(*tokenizer, threads);
      BOOST_TEST(encoder.encode(sample).size() > 3u);
      BOOST_TEST((joined(encoder.encode(sample)) == expected));
      BOOST_TEST((joined(encoder.encode("the end")) == tokenizer->encode("the end")));
      BOOST_TEST(encoder.encode("").empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(errors_count_bytes_from_the_beginning) {
  const auto tokenizer = text::characters_tokenizer("ab \n");
  std::string sample;
  while (sample.size() < 1'000'000) sample += "a b\n";
  sample[900'000] = 'X';
  sample[990'000] = 'Y';
  text::ParallelEncoder encoder(*tokenizer, 3);
  BOOST_CHECK_EXCEPTION(encoder.encode(sample), base::UsageError, says({"900000", "X"}));
}

BOOST_AUTO_TEST_SUITE_END()
