// SPDX-License-Identifier: Apache-2.0
// Pieces of GPT-2's pattern, as Python's regex module gives them.
#include "text/bpe_pattern.hpp"

#include "fixtures.hpp"

using namespace text_test;

namespace {

const text::BpePattern& pattern() {
  static const text::BpePattern compiled;
  return compiled;
}

std::vector<std::string> pieces_of(std::string_view sample) {
  std::vector<std::string> out;
  text::PieceWalk walk(pattern(), sample);
  for (std::string_view piece; walk.next(piece);) out.emplace_back(piece);
  return out;
}

void check(std::string_view sample, const std::vector<std::string>& expected) {
  BOOST_TEST(pieces_of(sample) == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bpe_pattern)

BOOST_AUTO_TEST_CASE(words_numbers_and_signs) {
  check("", {});
  check("Hello world's end, 1984abc!?", {"Hello", " world", "'s", " end", ",", " 1984", "abc", "!?"});
  check("I'll we're'S 'tis", {"I", "'ll", " we", "'re", "'", "S", " '", "tis"});
  check("na\xC3\xAFve \xE5\xA4\xA9\xE5\x9C\xB0\xC2\xBD", {"na\xC3\xAFve", " \xE5\xA4\xA9\xE5\x9C\xB0", "\xC2\xBD"});
}

BOOST_AUTO_TEST_CASE(the_last_blank_of_a_run_goes_to_the_word) {
  check("a   b", {"a", "  ", " b"});
  check("a  \n", {"a", "  \n"});
  check("a\n\nb", {"a", "\n", "\n", "b"});
  check("\t x", {"\t", " x"});
}

BOOST_AUTO_TEST_CASE(white_space_is_unicodes) {
  // No-break space, next line, ideographic space: white space.
  check("\xC2\xA0\xC2\x85\xE3\x80\x80", {"\xC2\xA0\xC2\x85\xE3\x80\x80"});
  // Byte order mark, Mongolian vowel separator, file separator: signs.
  check(" \xEF\xBB\xBF !", {" \xEF\xBB\xBF", " !"});
  check(" \xE1\xA0\x8E", {" \xE1\xA0\x8E"});
  check(" \x1C!", {" \x1C!"});
}

BOOST_AUTO_TEST_CASE(bytes_outside_of_utf8_stand_alone) {
  check(
      "ab\xFF\xFE"
      "cd",
      {"ab", "\xFF", "\xFE", "cd"});
  check("a \xE4\xB8", {"a", " ", "\xE4", "\xB8"});
  check("  \x80 x", {"  ", "\x80", " x"});
}

BOOST_AUTO_TEST_CASE(pieces_make_the_text) {
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::string sample = random_text(i);
    std::string together;
    for (const std::string& piece : pieces_of(sample)) together += piece;
    BOOST_REQUIRE(together == sample);
  }
}

/// Whether both ways to the next piece agree all the way.
bool same_as_the_pattern(std::string_view sample) {
  static text::PieceWalk fast(pattern()), defined(pattern());
  fast.start(sample);
  defined.start(sample);
  std::string_view piece, expected;
  while (defined.next_by_pattern(expected)) {
    if (!fast.next(piece) || piece.data() != expected.data() || piece.size() != expected.size()) return false;
  }
  return !fast.next(piece);
}

BOOST_AUTO_TEST_CASE(ascii_by_table_is_the_pattern) {
  // Every text of up to five of these: each class of ASCII, parts of contractions, characters beyond, broken bytes.
  const std::vector<std::string> parts = {"a",  "s", "l", "r",        "e",        "'",   " ",
                                          "\n", "7", "!", "\xC3\xA9", "\xC2\xA0", "\xFF"};
  std::vector<std::string> texts = {""};
  for (int length = 1; length <= 5; ++length) {
    std::vector<std::string> longer;
    for (const std::string& sample : texts)
      for (const std::string& part : parts) longer.push_back(sample + part);
    texts = std::move(longer);
    for (const std::string& sample : texts) BOOST_REQUIRE_MESSAGE(same_as_the_pattern(sample), sample);
  }
  // Every pair of ASCII bytes between others, and every contraction in all spellings.
  for (int first = 0; first < 128; ++first) {
    for (int second = 0; second < 128; ++second) {
      for (const char* before : {"", " ", "'", "a"}) {
        const std::string pair{static_cast<char>(first), static_cast<char>(second)};
        for (const char* behind : {"", " b", "'", "1", "\xC3\xA9"})
          BOOST_REQUIRE_MESSAGE(same_as_the_pattern(before + pair + behind), before + pair + behind);
      }
    }
  }
  for (std::uint64_t i = 0; i < 5000; ++i) BOOST_REQUIRE(same_as_the_pattern(random_text(i)));
}

BOOST_AUTO_TEST_CASE(a_walk_starts_again) {
  text::PieceWalk walk(pattern(), "caf\xC3\xA9 noir");
  std::string_view piece;
  BOOST_TEST(walk.next(piece));
  walk.start("\xC3\xA9t\xC3\xA9 1");
  BOOST_TEST((walk.next(piece) && piece == "\xC3\xA9t\xC3\xA9"));
  BOOST_TEST((walk.next(piece) && piece == " 1"));
  BOOST_TEST(!walk.next(piece));
}

BOOST_AUTO_TEST_CASE(long_runs_are_one_piece) {
  const std::size_t length = 1'000'000;
  for (const char c : {'a', '7', '!', ' ', '\n'}) check(std::string(length, c), {std::string(length, c)});
  const auto blanks = pieces_of(std::string(length, ' ') + "x");
  BOOST_TEST(blanks.size() == 2u);
  BOOST_TEST(blanks[0].size() == length - 1);
}

BOOST_AUTO_TEST_SUITE_END()
