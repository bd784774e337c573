// SPDX-License-Identifier: Apache-2.0
// A BPE tokenizer in the files that Hugging Face's GPT-2 tokenizers read: the slow one vocab.json and merges.txt, the
// fast one tokenizer.json, both tokenizer_config.json.
#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "text/bpe.hpp"
#include "text/byte_alphabet.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

using json::Json;

/// Tokens as the vocabulary names them, by id: the end token by its name, as there it is looked up by that, all others
/// in the byte alphabet.
json::Object vocabulary_of(const BpeModel& model) {
  json::Object entries;
  std::unordered_map<std::string, std::size_t> ids;
  for (std::size_t id = 0; id < model.tokens.size(); ++id) {
    const bool is_end = static_cast<TokenId>(id) == model.end_token;
    std::string name = is_end ? model.tokens[id] : to_byte_alphabet(model.tokens[id]);
    const auto [found, is_new] = ids.emplace(name, id);
    if (!is_new)
      base::fail_usage(
          "the tokens {} and {} of the tokenizer are both \"{}\", which Hugging Face's files cannot tell apart: use a "
          "tokenizer whose tokens all differ",
          found->second, id, name);
    entries.emplace_back(std::move(name), static_cast<std::int64_t>(id));
  }
  return entries;
}

Json tokenizer_json(const json::Object& vocabulary, json::Array merges, const std::string& end, TokenId end_id) {
  const auto byte_level = [](bool add_prefix_space, bool trim_offsets) {
    return Json().set("type", "ByteLevel").set("add_prefix_space", add_prefix_space).set("trim_offsets", trim_offsets);
  };
  Json added;
  added.set("id", end_id).set("content", end).set("single_word", false).set("lstrip", false).set("rstrip", false);
  added.set("normalized", true).set("special", true);
  Json model;
  model.set("type", "BPE").set("dropout", nullptr).set("unk_token", nullptr).set("continuing_subword_prefix", "");
  model.set("end_of_word_suffix", "").set("fuse_unk", false).set("vocab", vocabulary).set("merges", std::move(merges));
  Json file;
  file.set("version", "1.0").set("truncation", nullptr).set("padding", nullptr);
  file.set("added_tokens", json::Array{std::move(added)}).set("normalizer", nullptr);
  file.set("pre_tokenizer", byte_level(false, true).set("use_regex", true));
  file.set("post_processor", byte_level(true, false)).set("decoder", byte_level(true, true));
  file.set("model", std::move(model));
  return file;
}

Json tokenizer_config(const std::string& end, std::int64_t context) {
  Json config;
  config.set("tokenizer_class", "GPT2Tokenizer").set("model_max_length", context).set("add_prefix_space", false);
  config.set("bos_token", end).set("eos_token", end).set("unk_token", end).set("clean_up_tokenization_spaces", false);
  return config;
}

}  // namespace

std::vector<NamedFile> bpe_to_hugging_face(const BpeModel& model, std::int64_t context) {
  const std::string& end = model.tokens[static_cast<std::size_t>(model.end_token)];
  if (std::find(std::begin(kEndTokenNames), std::end(kEndTokenNames), end) == std::end(kEndTokenNames))
    base::fail_usage(
        "the end token of the tokenizer is called \"{}\", by which nothing would know it again in Hugging Face's "
        "files: call it {}",
        end, kEndTokenName);
  const json::Object vocabulary = vocabulary_of(model);
  json::Array merges;
  std::string lines = "#version: 0.2\n";
  for (const BpeMerge& merge : model.merges) {
    merges.emplace_back(merge_line(model, merge));
    lines += merges.back().as_string() + "\n";
  }
  const auto pretty = [](const Json& value) { return value.dump(2) + "\n"; };
  return {{"vocab.json", Json(vocabulary).dump() + "\n"},
          {"merges.txt", lines},
          {"tokenizer_config.json", pretty(tokenizer_config(end, context))},
          {"tokenizer.json", pretty(tokenizer_json(vocabulary, std::move(merges), end, model.end_token))}};
}

}  // namespace tessera::text
