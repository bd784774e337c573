// SPDX-License-Identifier: Apache-2.0
// Tokenizers of ours as files of Hugging Face, read back by our own loader.
#include "fixtures.hpp"
#include "json/json.hpp"

using namespace text_test;

namespace {

/// Writes the files, and returns the tokenizer that lies in them by name, or in their folder.
std::unique_ptr<text::Tokenizer> through_files(const text::Tokenizer& tokenizer, const std::string& name = "") {
  const TempFolder temp;
  for (const auto& [file, content] : tokenizer.hugging_face_files(64)) temp.write("model/" + file, content);
  return text::load_tokenizer(temp.path("model/" + name));
}

/// A tokenizer of the 256 bytes and these special tokens, the last of which is the end token.
std::unique_ptr<text::Tokenizer> with_special(const std::vector<std::string>& special) {
  const auto plain = text::train_bpe({"ab"}, 257);
  tessera::json::Json file = tessera::json::parse(plain->serialize(), "serialized");
  tessera::json::Array tokens, ids;
  const std::string alphabet = file.at("bytes").as_string();
  for (std::size_t at = 0; at < alphabet.size();) {
    const std::size_t bytes = text::read_code_point(alphabet, at).num_bytes;
    tokens.emplace_back(alphabet.substr(at, bytes));
    at += bytes;
  }
  for (const std::string& name : special) {
    ids.emplace_back(static_cast<std::int64_t>(tokens.size()));
    tokens.emplace_back(name);
  }
  tessera::json::Json other;
  other.set("format", "tessera-tokenizer").set("version", 1).set("kind", "bpe");
  other.set("end_token", static_cast<std::int64_t>(tokens.size()) - 1);
  other.set("tokens", tokens).set("special", ids).set("merges", tessera::json::Array{});
  return text::deserialize_tokenizer(other.dump(), "special");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hugging_face_files)

BOOST_AUTO_TEST_CASE(the_same_tokenizer_comes_back) {
  const auto trained = text::train_bpe({sample_text(3000)}, 310);
  for (const char* name : {"", "tokenizer.json", "vocab.json", "merges.txt"}) {
    const auto again = through_files(*trained, name);
    BOOST_TEST(again->fingerprint() == trained->fingerprint(), name);
    BOOST_TEST(again->end_token() == trained->end_token());
  }
  const auto again = through_files(*trained);
  for (std::uint64_t i = 0; i < 300; ++i)
    BOOST_REQUIRE(again->encode(random_text(i)) == trained->encode(random_text(i)));
}

BOOST_AUTO_TEST_CASE(special_tokens_keep_their_ids) {
  const auto tokenizer =
      with_special({"<pad>", "\xC4\xA0left", "</s>"});  // the second is " left", which no merge makes
  const auto again = through_files(*tokenizer);
  BOOST_TEST(again->fingerprint() == tokenizer->fingerprint());
  BOOST_TEST(again->end_token() == 258);
  BOOST_TEST(again->decode(std::vector<text::TokenId>{256, 257, 258}) == "<pad> left");
}

BOOST_AUTO_TEST_CASE(what_the_files_cannot_hold_is_refused) {
  BOOST_CHECK_EXCEPTION(with_special({"x", "<|endoftext|>"})->hugging_face_files(64), base::UsageError,
                        says({"120 and 256", "\"x\"", "cannot tell apart"}));
  BOOST_CHECK_EXCEPTION(with_special({"<stop>"})->hugging_face_files(64), base::UsageError,
                        says({"\"<stop>\"", "<|endoftext|>"}));
  BOOST_TEST(text::bytes_tokenizer()->hugging_face_files(64).empty());
  BOOST_TEST(text::characters_tokenizer("abc")->hugging_face_files(64).empty());
}

BOOST_AUTO_TEST_CASE(our_own_file_is_found_in_a_folder) {
  const TempFolder temp;
  temp.write("model/config.json", "{}");
  text::save_tokenizer(*text::characters_tokenizer("abc"), temp.path("model/tessera-tokenizer.json"));
  BOOST_TEST(text::load_tokenizer(temp.path("model"))->vocab_size() == 4);
}

BOOST_AUTO_TEST_SUITE_END()
