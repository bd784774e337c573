// SPDX-License-Identifier: Apache-2.0
#include "fixtures.hpp"

using namespace text_test;

BOOST_AUTO_TEST_SUITE(bytes)

BOOST_AUTO_TEST_CASE(ids_are_the_byte_values) {
  const auto tokenizer = text::bytes_tokenizer();
  BOOST_TEST(tokenizer->vocab_size() == 257);
  BOOST_TEST(tokenizer->end_token() == 256);
  BOOST_TEST(tokenizer->kind() == std::string("bytes"));
  BOOST_TEST(tokenizer->encode(std::string_view("A\0\xFF", 3)) == (std::vector<text::TokenId>{65, 0, 255}));
  BOOST_TEST(tokenizer->decode(std::vector<text::TokenId>{72, 256, 105, 256}) == "Hi");
}

BOOST_AUTO_TEST_CASE(any_bytes_come_back) {
  const auto tokenizer = text::bytes_tokenizer();
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::string sample = random_text(i);
    BOOST_REQUIRE(tokenizer->decode(tokenizer->encode(sample)) == sample);
  }
}

BOOST_AUTO_TEST_CASE(encode_appends) {
  const auto tokenizer = text::bytes_tokenizer();
  std::vector<text::TokenId> ids{7};
  tokenizer->encode("a", ids);
  tokenizer->encode("", ids);
  tokenizer->encode("b", ids);
  BOOST_TEST(ids == (std::vector<text::TokenId>{7, 97, 98}));
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_refused) {
  const auto tokenizer = text::bytes_tokenizer();
  BOOST_CHECK_EXCEPTION(tokenizer->decode(std::vector<text::TokenId>{257}), base::UsageError,
                        says({"token id 257", "0 to 256"}));
  BOOST_CHECK_EXCEPTION(tokenizer->decode(std::vector<text::TokenId>{-1}), base::UsageError, says({"token id -1"}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(characters)

BOOST_AUTO_TEST_CASE(ids_follow_code_points) {
  const auto tokenizer = text::characters_tokenizer(
      "b\xC3\xA9"
      "a\xF0\x9F\xA6\x99"
      "ab\n");
  BOOST_TEST(tokenizer->vocab_size() == 6);  // \n a b é U+1F999 and the end
  BOOST_TEST(tokenizer->end_token() == 5);
  const std::string sample =
      "a\xF0\x9F\xA6\x99\n\xC3\xA9"
      "b";
  BOOST_TEST(tokenizer->encode(sample) == (std::vector<text::TokenId>{1, 4, 0, 3, 2}));
  BOOST_TEST(tokenizer->decode(std::vector<text::TokenId>{1, 4, 5, 0, 3, 2}) == sample);
  BOOST_CHECK_THROW(tokenizer->decode(std::vector<text::TokenId>{6}), base::UsageError);
}

BOOST_AUTO_TEST_CASE(text_that_is_not_utf8_is_refused_with_the_offset) {
  BOOST_CHECK_EXCEPTION(text::characters_tokenizer("ab\xFF"
                                                   "c"),
                        base::UsageError, says({"0xFF", "offset 2", "bytes tokenizer or BPE"}));
  BOOST_CHECK_EXCEPTION(text::characters_tokenizer(""), base::UsageError, says({"empty", "offset 0"}));
  const auto tokenizer = text::characters_tokenizer("abc");
  // Cut short, overlong, surrogate, above U+10FFFF, a lone continuation byte.
  for (const char* bad : {"a\xE4\xB8", "a\xC0\x80", "a\xED\xA0\x80", "a\xF4\x90\x80\x80", "a\x80"}) {
    BOOST_CHECK_EXCEPTION(tokenizer->encode(bad), base::UsageError, says({"not UTF-8", "offset 1"}));
  }
}

BOOST_AUTO_TEST_CASE(unknown_characters_are_named) {
  const auto tokenizer = text::characters_tokenizer("abc\xC3\xA9");
  BOOST_CHECK_EXCEPTION(tokenizer->encode("ab\xC3\xA9\xE4\xB8\xAD"), base::UsageError,
                        says({"\"\xE4\xB8\xAD\"", "U+4E2D", "offset 4"}));
  BOOST_CHECK_EXCEPTION(tokenizer->encode("\n"), base::UsageError, says({"character U+000A", "offset 0"}));
}

BOOST_AUTO_TEST_SUITE_END()
