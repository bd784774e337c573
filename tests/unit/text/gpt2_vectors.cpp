// SPDX-License-Identifier: Apache-2.0
// Strings with the ids that GPT-2's own tokenizer gives them.
#include "fixtures.hpp"
#include "json/json.hpp"

using namespace text_test;

namespace {

#ifdef TESSERA_SHARED_DATA
const fs::path kFolder = fs::path(TESSERA_SHARED_DATA) / "tok-gpt2";
#else
const fs::path kFolder;
#endif

bool skipped() {
  if (fs::exists(kFolder / "vocab.bpe")) return false;
  const std::string why = "SKIPPED: no GPT-2 vocabulary in " + kFolder.string();
  BOOST_TEST_MESSAGE(why);
  std::cout << why << "\n";
  return true;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gpt2)

BOOST_AUTO_TEST_CASE(every_vector_is_exact) {
  if (skipped()) return;
  const auto tokenizer = text::load_tokenizer(kFolder.string());
  BOOST_TEST(tokenizer->vocab_size() == 50257);
  BOOST_TEST(tokenizer->end_token() == 50256);
  std::size_t checked = 0;
  for (const char* name : {"gpt2_vectors.jsonl", "gpt2_vectors_disputed.jsonl"}) {
    std::ifstream in(kFolder / name);  // a file may be absent; the count below says how many lines there were
    for (std::string line; std::getline(in, line);) {
      const auto vector = tessera::json::parse(line, name);
      const std::string& sample = vector.at("text").as_string();
      std::vector<text::TokenId> expected;
      for (const auto& id : vector.at("ids").as_array()) expected.push_back(static_cast<text::TokenId>(id.as_int()));
      const auto ids = tokenizer->encode(sample);
      BOOST_TEST_CONTEXT(line) {
        BOOST_TEST(ids == expected, boost::test_tools::per_element());
        BOOST_TEST(tokenizer->decode(ids) == sample);
      }
      ++checked;
    }
  }
  BOOST_TEST(checked >= 200u);
}

BOOST_AUTO_TEST_CASE(special_vectors_are_texts_around_end_tokens) {
  if (skipped()) return;
  const auto tokenizer = text::load_tokenizer(kFolder.string());
  const std::string mark = "<|endoftext|>";
  std::ifstream in(kFolder / "gpt2_vectors_special.jsonl");
  std::size_t checked = 0;
  for (std::string line; std::getline(in, line); ++checked) {
    const auto vector = tessera::json::parse(line, "gpt2_vectors_special.jsonl");
    std::string rest = vector.at("text").as_string();
    std::vector<text::TokenId> ids, expected;
    for (std::size_t at = rest.find(mark); at != rest.npos; at = rest.find(mark)) {
      tokenizer->encode(rest.substr(0, at), ids);
      ids.push_back(tokenizer->end_token());
      rest.erase(0, at + mark.size());
    }
    tokenizer->encode(rest, ids);
    for (const auto& id : vector.at("ids").as_array()) expected.push_back(static_cast<text::TokenId>(id.as_int()));
    BOOST_TEST(ids == expected, boost::test_tools::per_element());
  }
  BOOST_TEST(checked >= 2u);
}

BOOST_AUTO_TEST_CASE(all_ways_to_load_it_are_equal) {
  if (skipped()) return;
  const auto folder = text::load_tokenizer(kFolder.string());
  for (const char* name : {"vocab.bpe", "encoder.json"}) {
    BOOST_TEST(text::load_tokenizer((kFolder / name).string())->fingerprint() == folder->fingerprint());
  }
  const TempFolder temp;
  text::save_tokenizer(*folder, temp.path("gpt2.json"));
  const auto again = text::load_tokenizer(temp.path("gpt2.json"));
  BOOST_TEST(again->serialize() == folder->serialize());
  BOOST_TEST(again->encode("Hello world") == (std::vector<text::TokenId>{15496, 995}));
}

BOOST_AUTO_TEST_CASE(special_tokens_in_text_are_text) {
  if (skipped()) return;
  const auto tokenizer = text::load_tokenizer(kFolder.string());
  const auto ids = tokenizer->encode("a<|endoftext|>b");
  BOOST_TEST(ids.size() > 3u);
  BOOST_TEST(std::count(ids.begin(), ids.end(), 50256) == 0);
  BOOST_TEST(tokenizer->decode(ids) == "a<|endoftext|>b");
}

BOOST_AUTO_TEST_CASE(any_bytes_come_back) {
  if (skipped()) return;
  const auto tokenizer = text::load_tokenizer(kFolder.string());
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::string sample = random_text(i);
    BOOST_REQUIRE(tokenizer->decode(tokenizer->encode(sample)) == sample);
  }
}

BOOST_AUTO_TEST_CASE(written_as_hugging_face_has_it_it_is_the_same) {
  if (skipped()) return;
  const auto tokenizer = text::load_tokenizer(kFolder.string());
  const TempFolder temp;
  for (const auto& [name, content] : tokenizer->hugging_face_files(1024)) temp.write(name, content);
  BOOST_TEST(text::load_tokenizer(temp.path("tokenizer.json"))->fingerprint() == tokenizer->fingerprint());
  BOOST_TEST(text::load_tokenizer(temp.path("vocab.json"))->fingerprint() == tokenizer->fingerprint());
  // OpenAI's own merges, byte for byte; the vocabulary is written with other blanks.
  BOOST_TEST(read(temp.path("merges.txt")) == read((kFolder / "vocab.bpe").string()));
}

BOOST_AUTO_TEST_SUITE_END()
