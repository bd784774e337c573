// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <map>

#include "fixtures.hpp"
#include "json/json.hpp"
#include "text/bpe_pattern.hpp"
#include "text/byte_alphabet.hpp"
#include "text/cuts.hpp"

using namespace text_test;

namespace {

/// The definition: count every pair anew, merge the best one everywhere, repeat. Returns the pairs in order.
std::vector<std::pair<std::string, std::string>> naive_merges(const std::string& corpus, std::size_t vocab) {
  std::map<std::vector<std::string>, std::int64_t> pieces;
  const text::BpePattern pattern;
  text::PieceWalk walk(pattern, corpus);
  for (std::string_view piece; walk.next_by_pattern(piece);) {
    std::vector<std::string> symbols;
    for (const char byte : piece) symbols.emplace_back(1, byte);
    ++pieces[symbols];
  }
  std::vector<std::pair<std::string, std::string>> merges;
  while (merges.size() + 257 < vocab) {
    std::map<std::pair<std::string, std::string>, std::int64_t> counts;  // in order of (left bytes, right bytes)
    for (const auto& [symbols, count] : pieces) {
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) counts[{symbols[i], symbols[i + 1]}] += count;
    }
    if (counts.empty()) break;
    auto best = counts.begin();
    for (auto it = counts.begin(); it != counts.end(); ++it) {
      if (it->second > best->second) best = it;
    }
    const auto [left, right] = best->first;
    merges.push_back(best->first);
    std::map<std::vector<std::string>, std::int64_t> merged;
    for (const auto& [symbols, count] : pieces) {
      std::vector<std::string> out;
      for (std::size_t i = 0; i < symbols.size(); ++i) {
        const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
        out.push_back(here ? left + right : symbols[i]);
        i += here ? 1 : 0;
      }
      merged[out] += count;
    }
    pieces = std::move(merged);
  }
  return merges;
}

/// The merges of a tokenizer, as its file has them.
std::vector<std::string> merges_of(const text::Tokenizer& tokenizer) {
  std::vector<std::string> out;
  const auto serialized = tessera::json::parse(tokenizer.serialize(), "serialized");
  for (const auto& merge : serialized.at("merges").as_array()) out.push_back(merge.as_string());
  return out;
}

/// What naive_merges() gives, as files have it.
std::vector<std::string> expected_merges(const std::string& corpus, std::size_t vocab) {
  std::vector<std::string> out;
  for (const auto& [left, right] : naive_merges(corpus, vocab))
    out.push_back(text::to_byte_alphabet(left) + " " + text::to_byte_alphabet(right));
  return out;
}

/// Prose in Chinese with full-width stops, few characters so that pairs repeat.
std::string chinese_text(std::uint64_t num_characters) {
  const base::PhiloxKey key = base::philox_key(5, base::RandomStream::test);
  const char* characters[] = {"\u5929", "\u5730", "\u7384", "\u9ec4", "\u5b87",
                              "\u5b99", "\u6d2a", "\u8352", "\uff0c", "\u3002\n"};
  std::string out;
  for (std::uint64_t i = 0; i < num_characters; ++i)
    out += characters[base::random_u64(key, i) % std::size(characters)];
  return out;
}

std::string with_crlf(const std::string& sample) {
  std::string out;
  for (const char c : sample) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bpe_training)

BOOST_AUTO_TEST_CASE(merges_are_those_of_the_definition) {
  const base::PhiloxKey key = base::philox_key(3, base::RandomStream::test);
  std::string few_letters, any_bytes;
  for (std::uint64_t i = 0; i < 3000; ++i) few_letters += "aaabbc  \n"[base::random_u64(key, i) % 9];
  for (std::uint64_t i = 0; i < 200; ++i) any_bytes += random_text(i);
  std::vector<std::pair<std::string, std::size_t>> cases = {{sample_text(800), 310},
                                                            {with_crlf(sample_text(800)), 310},
                                                            {few_letters, 570},
                                                            {any_bytes, 420},
                                                            {chinese_text(1500), 340},
                                                            {"aaaa aaaaa aaaaaa aaaaaaa aaaa baaab aaaa", 100000},
                                                            {"zy yz zy yz xy yx xy yx ab ba ab ba", 100000}};
  // Single pieces of two letters, merged to the end: overlaps and ties.
  for (std::uint64_t number = 0; number < 200; ++number) {
    std::string piece;
    for (std::uint64_t i = 0; i < 2 + number / 2; ++i) piece += "aab"[base::random_u64(key, i, 1 + number) % 3];
    cases.emplace_back(piece, 100000);
  }
  for (const auto& [corpus, wanted] : cases) {
    const std::vector<std::string> expected = expected_merges(corpus, wanted);
    const auto vocab = static_cast<std::int64_t>(257 + expected.size());
    const auto tokenizer = text::train_bpe({corpus}, vocab);
    BOOST_TEST(merges_of(*tokenizer) == expected, boost::test_tools::per_element());
    BOOST_TEST(tokenizer->vocab_size() == vocab);
    BOOST_TEST(tokenizer->end_token() == vocab - 1);
    BOOST_TEST(tokenizer->decode(tokenizer->encode(corpus)) == corpus);
    BOOST_TEST(text::deserialize_tokenizer(tokenizer->serialize(), "s")->fingerprint() == tokenizer->fingerprint());
    if (wanted > expected.size() + 257) BOOST_CHECK_THROW(text::train_bpe({corpus}, vocab + 1), base::UsageError);
  }
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_first_bytes) {
  // "xy", "ab" and "aa" come twice each, in no helpful order.
  const auto tokenizer = text::train_bpe({"xy.xy.ab.ab.aa.aa"}, 260);
  BOOST_TEST(merges_of(*tokenizer) == (std::vector<std::string>{"a a", "a b", "x y"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(several_texts_count_together) {
  const auto tokenizer = text::train_bpe({"ab", "cd cd", "ab ab"}, 258);
  BOOST_TEST(merges_of(*tokenizer) == std::vector<std::string>{"a b"}, boost::test_tools::per_element());
  BOOST_TEST(tokenizer->encode("ab") == std::vector<text::TokenId>{256}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_learns_the_same) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 6; ++i) texts.push_back(with_crlf(sample_text(60'000 + i)) + chinese_text(50'000));
  for (std::uint64_t i = 0; i < 60'000; ++i) texts[i % 6] += random_text(i);  // many parts for each thread
  const std::string expected = text::train_bpe(texts, 700)->serialize();
  for (const int threads : {1, 2, 3, 7}) {
    text::BpeTrainer trainer(700, threads), turned(700, threads);
    for (const std::string& sample : texts) trainer.add(sample);
    BOOST_TEST((trainer.train()->serialize() == expected));
    for (auto sample = texts.rbegin(); sample != texts.rend(); ++sample)  // and in smaller parts
      for (const std::string_view part : text::cut(*sample, 10'000)) turned.add(part);
    BOOST_TEST((turned.train()->serialize() == expected));
  }
}

BOOST_AUTO_TEST_CASE(no_merges_at_all) {
  const auto tokenizer = text::train_bpe({}, 257);
  BOOST_TEST(tokenizer->encode("a\xFF") == (std::vector<text::TokenId>{97, 255}));
  BOOST_TEST(text::deserialize_tokenizer(tokenizer->serialize(), "s")->vocab_size() == 257);
}

BOOST_AUTO_TEST_CASE(impossible_vocabularies_are_refused) {
  BOOST_CHECK_EXCEPTION(text::train_bpe({"abc"}, 256), base::UsageError, says({"vocab 256", "at least 257"}));
  // "abcd" as one piece gives at most three new tokens.
  BOOST_CHECK_EXCEPTION(text::train_bpe({"abcd"}, 300), base::UsageError, says({"vocab 300", "at most 260"}));
  BOOST_TEST(text::train_bpe({"abcd"}, 260)->encode("abcd").size() == 1u);
}

BOOST_AUTO_TEST_CASE(any_bytes_come_back) {
  const auto tokenizer = text::train_bpe({sample_text(3000), random_text(1)}, 300);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::string sample = random_text(i);
    BOOST_REQUIRE(tokenizer->decode(tokenizer->encode(sample)) == sample);
  }
  std::vector<text::TokenId> ids = tokenizer->encode("then");
  ids.push_back(tokenizer->end_token());
  BOOST_TEST(tokenizer->decode(ids) == "then");
  BOOST_CHECK_THROW(tokenizer->decode(std::vector<text::TokenId>{300}), base::UsageError);
}

BOOST_AUTO_TEST_CASE(long_pieces_are_no_trap) {
  // A quadratic merge loop would need hours for one of these.
  std::string letters;
  const base::PhiloxKey key = base::philox_key(4, base::RandomStream::test);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) letters += "acgt"[base::random_u64(key, i) % 4];
  const auto begin = std::chrono::steady_clock::now();
  const auto tokenizer = text::train_bpe({letters, std::string(1000, 'a')}, 500);
  for (const std::string& run : {letters, std::string(1'000'000, 'a'), std::string(1'000'000, ' '),
                                 std::string(1'000'000, '\xFF'), std::string(1'000'000, 'a') + "b"}) {
    const auto ids = tokenizer->encode(run);
    BOOST_TEST((tokenizer->decode(ids) == run));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  BOOST_TEST(seconds.count() < 120.0);
}

BOOST_AUTO_TEST_SUITE_END()
