// SPDX-License-Identifier: Apache-2.0
// Our own tokenizer files, and those of others, made here from a small trained vocabulary.
#include <functional>
#include <map>

#include "fixtures.hpp"
#include "json/json.hpp"
#include "text/byte_alphabet.hpp"

using namespace text_test;
using tessera::json::Array;
using tessera::json::Json;
using tessera::json::Object;

namespace {

constexpr int kVocab = 310;

const text::Tokenizer& small_bpe() {
  static const auto tokenizer = text::train_bpe({sample_text(3000)}, kVocab);
  return *tokenizer;
}

/// Ids in an order of their own: the small vocabulary turned round, so that nothing follows from the merges.
std::int64_t turned(std::int64_t id) {
  return kVocab - 2 - id;
}

Object turned_vocabulary() {
  Object entries;
  for (text::TokenId id = 0; id < kVocab - 1; ++id) {
    entries.emplace_back(text::to_byte_alphabet(small_bpe().decode(&id, 1)), turned(id));
  }
  return entries;
}

Array small_merges() {
  return tessera::json::parse(small_bpe().serialize(), "serialized").at("merges").as_array();
}

Json hugging_face_file() {
  Json model;
  model.set("type", "BPE").set("dropout", nullptr).set("continuing_subword_prefix", "").set("fuse_unk", false);
  model.set("vocab", turned_vocabulary()).set("merges", small_merges());
  const auto added = [](int id, const char* content) {
    return Json().set("id", id).set("content", content).set("special", true);
  };
  Json file;
  file.set("version", "1.0").set("added_tokens", Array{added(kVocab - 1, "<pad>"), added(kVocab, "</s>")});
  file.set("normalizer", nullptr);
  file.set("pre_tokenizer", Json().set("type", "ByteLevel").set("add_prefix_space", false).set("use_regex", true));
  file.set("decoder", Json().set("type", "ByteLevel")).set("model", std::move(model));
  return file;
}

/// The file with one member of one part changed.
Json changed(const char* part, const char* key, Json value) {
  Json file = hugging_face_file();
  Json inner = file.at(part);
  inner.set(key, std::move(value));
  file.set(part, std::move(inner));
  return file;
}

void check_same_splits(const text::Tokenizer& tokenizer) {
  for (std::uint64_t i = 0; i < 500; ++i) {
    const std::string sample = random_text(i);
    std::vector<text::TokenId> expected = small_bpe().encode(sample);
    for (text::TokenId& id : expected) id = static_cast<text::TokenId>(turned(id));
    BOOST_REQUIRE(tokenizer.encode(sample) == expected);
    BOOST_REQUIRE(tokenizer.decode(expected) == sample);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(own_files)

BOOST_AUTO_TEST_CASE(serialize_round_trips) {
  const TempFolder temp;
  std::vector<std::unique_ptr<text::Tokenizer>> all;
  all.push_back(text::bytes_tokenizer());
  all.push_back(text::characters_tokenizer(std::string("\0\"\\\x7F\n", 5) + sample_text(200)));
  all.push_back(text::train_bpe({sample_text(3000)}, kVocab));
  all.push_back(text::load_tokenizer(temp.write("tokenizer.json", hugging_face_file().dump())));
  std::map<std::string, int> fingerprints;
  for (const auto& tokenizer : all) {
    const auto again = text::deserialize_tokenizer(tokenizer->serialize(), "serialized");
    BOOST_TEST(again->serialize() == tokenizer->serialize());
    BOOST_TEST(again->kind() == std::string(tokenizer->kind()));
    BOOST_TEST(again->vocab_size() == tokenizer->vocab_size());
    BOOST_TEST(again->end_token() == tokenizer->end_token());
    const std::string sample = sample_text(100);
    BOOST_TEST(again->encode(sample) == tokenizer->encode(sample), boost::test_tools::per_element());
    BOOST_TEST(again->fingerprint() == tokenizer->fingerprint());
    BOOST_TEST(tokenizer->fingerprint().size() == 16u);
    ++fingerprints[tokenizer->fingerprint()];

    text::save_tokenizer(*tokenizer, temp.path("saved.json"));
    BOOST_TEST(text::load_tokenizer(temp.path("saved.json"))->fingerprint() == tokenizer->fingerprint());
  }
  BOOST_TEST(fingerprints.size() == all.size());
  std::size_t num_files = 0;
  for (const auto& entry : fs::directory_iterator(temp.path())) num_files += entry.is_regular_file() ? 1 : 0;
  BOOST_TEST(num_files == 2u);  // saved.json and tokenizer.json: no temporary file stays
}

BOOST_AUTO_TEST_CASE(bad_content_is_a_usage_error_with_the_source) {
  const auto refused = [](const std::string& content, std::vector<std::string> parts) {
    parts.emplace_back("x.json");
    BOOST_CHECK_EXCEPTION(text::deserialize_tokenizer(content, "x.json"), base::UsageError, says(parts));
  };
  refused("{", {"line 1, column 2"});
  refused("[]", {"expected an object"});
  refused(R"({"format":"other"})", {"\"other\"", "tessera-tokenizer"});
  refused(R"({"format":"tessera-tokenizer","version":2,"kind":"bytes"})", {"version 2"});
  refused(R"({"format":"tessera-tokenizer","version":1,"kind":"words"})", {"\"words\"", "bytes, characters and bpe"});
  refused(R"({"format":"tessera-tokenizer","version":1,"kind":"characters","characters":"ba"})", {"order"});
  refused(R"({"format":"tessera-tokenizer","version":1,"kind":"characters","characters":""})", {"empty"});
  refused(R"({"format":"tessera-tokenizer","version":1,"kind":"bpe","end_token":1,"bytes":"ab","merges":[]})",
          {"end_token 1"});
  refused(R"({"format":"tessera-tokenizer","version":1,"kind":"bpe","end_token":2,"bytes":"ab","merges":[]})",
          {"byte 0x00"});
  refused(R"({"format":"tessera-tokenizer","version":1,"kind":"bpe","end_token":2,"tokens":["a"],)"
          R"("special":[5],"merges":[]})",
          {"special token 5"});
}

BOOST_AUTO_TEST_CASE(unwritable_and_missing_paths) {
  const TempFolder temp;
  BOOST_CHECK_EXCEPTION(text::save_tokenizer(*text::bytes_tokenizer(), temp.path("no/such/folder/t.json")),
                        base::UsageError, says({"no/such/folder", "cannot write", "No such file"}));
  BOOST_CHECK_EXCEPTION(text::load_tokenizer(temp.path("absent.json")), base::UsageError,
                        says({"absent.json", "No such file"}));
  BOOST_CHECK_EXCEPTION(text::load_tokenizer(temp.path()), base::UsageError, says({"holds no tokenizer"}));
  BOOST_CHECK_EXCEPTION(text::load_tokenizer(temp.write("t.h5", "\x89HDF\r\n")), base::UsageError, says({"HDF5"}));
  BOOST_CHECK_EXCEPTION(text::load_tokenizer(temp.write("t.json", "{}")), base::UsageError,
                        says({"t.json", "neither"}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(foreign_files)

BOOST_AUTO_TEST_CASE(hugging_face_tokenizer) {
  const TempFolder temp;
  const auto tokenizer = text::load_tokenizer(temp.write("tokenizer.json", hugging_face_file().dump(2)));
  BOOST_TEST(tokenizer->vocab_size() == kVocab + 1);
  BOOST_TEST(tokenizer->end_token() == kVocab);  // </s>
  BOOST_TEST(tokenizer->decode(std::vector<text::TokenId>{kVocab - 1, kVocab}) == "<pad>");
  check_same_splits(*tokenizer);
  BOOST_TEST(text::load_tokenizer(temp.path())->fingerprint() == tokenizer->fingerprint());  // found in its folder

  Array pairs;  // newer files write ["a","b"]
  for (const Json& merge : small_merges()) {
    const std::string& both = merge.as_string();
    const std::size_t blank = both.find(' ');
    pairs.emplace_back(Array{both.substr(0, blank), both.substr(blank + 1)});
  }
  const auto newer = text::load_tokenizer(temp.write("newer.json", changed("model", "merges", pairs).dump()));
  BOOST_TEST(newer->fingerprint() == tokenizer->fingerprint());
}

BOOST_AUTO_TEST_CASE(early_hugging_face_files) {
  // As GPT-2's own: no model.type, and the end token stands in model.vocab too.
  const TempFolder temp;
  Object vocabulary = turned_vocabulary();
  vocabulary.emplace_back("<|endoftext|>", kVocab - 1);
  Json model, file = hugging_face_file();
  model.set("vocab", vocabulary).set("merges", small_merges());
  file.set("model", model);
  file.set("added_tokens", Array{Json().set("id", kVocab - 1).set("content", "<|endoftext|>")});
  const auto tokenizer = text::load_tokenizer(temp.write("tokenizer.json", file.dump()));
  BOOST_TEST(tokenizer->vocab_size() == kVocab);
  BOOST_TEST(tokenizer->end_token() == kVocab - 1);
  check_same_splits(*tokenizer);
}

BOOST_AUTO_TEST_CASE(end_token_is_appended_where_there_is_none) {
  const TempFolder temp;
  const Json file = hugging_face_file().set("added_tokens", Array{});
  const auto tokenizer = text::load_tokenizer(temp.write("tokenizer.json", file.dump()));
  BOOST_TEST(tokenizer->vocab_size() == kVocab);
  BOOST_TEST(tokenizer->end_token() == kVocab - 1);
  check_same_splits(*tokenizer);
}

BOOST_AUTO_TEST_CASE(other_kinds_are_refused_by_name) {
  const TempFolder temp;
  const auto refused = [&](const Json& file, std::vector<std::string> parts) {
    const std::string path = temp.write("other.json", file.dump());
    parts.push_back(path);
    BOOST_CHECK_EXCEPTION(text::load_tokenizer(path), base::UsageError, says(parts));
  };
  refused(changed("model", "type", "WordPiece"), {"model.type", "WordPiece"});
  refused(changed("model", "ignore_merges", true), {"model.ignore_merges", "true"});
  refused(changed("model", "end_of_word_suffix", "</w>"), {"model.end_of_word_suffix", "</w>"});
  refused(changed("pre_tokenizer", "type", "Whitespace"), {"pre_tokenizer", "Whitespace"});
  refused(changed("pre_tokenizer", "add_prefix_space", true), {"pre_tokenizer.add_prefix_space", "true"});
  refused(changed("pre_tokenizer", "use_regex", false), {"pre_tokenizer.use_regex", "false"});
  refused(hugging_face_file().set("pre_tokenizer", nullptr), {"pre_tokenizer is null"});
  refused(hugging_face_file().set("normalizer", Json().set("type", "NFC")), {"normalizer", "NFC"});
  refused(changed("model", "merges", Array{"x y z"}), {"merge 0"});
  refused(changed("model", "merges", Array{"\xC4\xA0q qq"}), {"merge 0", "not in the vocabulary"});
  refused(changed("model", "vocab", Object{{"a", 0}}), {"no token has the id 1"});
  refused(hugging_face_file().set("added_tokens", Array{Json().set("id", 3).set("content", "<pad>")}), {"the id 3"});
}

BOOST_AUTO_TEST_CASE(openai_files) {
  const TempFolder temp;
  std::string lines = "#version: 0.2\n";
  for (const Json& merge : small_merges()) lines += merge.as_string() + "\n";
  Object entries = turned_vocabulary();
  entries.emplace_back("<|endoftext|>", kVocab - 1);
  temp.write("a/encoder.json", Json(entries).dump());
  temp.write("a/vocab.bpe", lines);
  temp.write("b/vocab.json", Json(entries).dump());
  temp.write("b/merges.txt", lines);
  const auto tokenizer = text::load_tokenizer(temp.path("a"));
  BOOST_TEST(tokenizer->vocab_size() == kVocab);
  BOOST_TEST(tokenizer->end_token() == kVocab - 1);
  check_same_splits(*tokenizer);
  for (const char* path : {"a/vocab.bpe", "a/encoder.json", "b", "b/vocab.json", "b/merges.txt"}) {
    BOOST_TEST(text::load_tokenizer(temp.path(path))->fingerprint() == tokenizer->fingerprint());
  }
  fs::remove(temp.path("a/encoder.json"));
  BOOST_CHECK_EXCEPTION(text::load_tokenizer(temp.path("a")), base::UsageError, says({"encoder.json", "beside"}));
  temp.write("b/merges.txt", "#version: 0.2\nnoblank\n");
  BOOST_CHECK_EXCEPTION(text::load_tokenizer(temp.path("b")), base::UsageError,
                        says({"merges.txt", "merge 0", "noblank"}));
}

BOOST_AUTO_TEST_SUITE_END()
