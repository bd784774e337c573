// SPDX-License-Identifier: Apache-2.0
// BPE vocabularies of others: OpenAI's two files and Hugging Face's tokenizer.json.
#include <optional>
#include <unordered_map>

#include "text/bpe.hpp"
#include "text/byte_alphabet.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

/// A vocabulary while it is read: `model.tokens` and `plain` as resolve() wants them.
struct Vocabulary {
  BpeModel model;
  std::vector<bool> plain;
  std::vector<bool> given;  // ids seen so far

  /// Makes room for `id` and claims it. Throws UsageError if it is negative, absurd or taken.
  void claim(std::int64_t id, const std::string& name, std::string_view source) {
    if (id < 0 || id > 0x3FFFFF) base::fail_usage("{}: token \"{}\" has the id {}", source, name, id);
    const auto index = static_cast<std::size_t>(id);
    if (index >= given.size()) {
      given.resize(index + 1);
      plain.resize(index + 1);
      model.tokens.resize(index + 1);
    }
    if (given[index]) base::fail_usage("{}: two tokens have the id {}; one is \"{}\"", source, id, name);
    given[index] = true;
  }

  void require_no_holes(std::string_view source) const {
    for (std::size_t id = 0; id < given.size(); ++id) {
      if (!given[id])
        base::fail_usage("{}: no token has the id {}, but ids run up to {}", source, id, given.size() - 1);
    }
  }

  /// Entries of a "token in the byte alphabet": id object.
  void add_entries(const json::Json& entries, std::string_view source) {
    for (const auto& [name, id] : entries.as_object()) {
      claim(id.as_int(), name, source);
      auto bytes = from_byte_alphabet(name);
      // Names outside the alphabet are those of added tokens, such as "<｜end｜>": no merge can make them.
      const auto index = static_cast<std::size_t>(id.as_int());
      plain[index] = bytes.has_value();
      model.tokens[index] = bytes ? std::move(*bytes) : name;
    }
  }

  /// Tokenizers that know no end token get one after their last id, so that documents can be separated; a model trained
  /// elsewhere with this vocabulary has then one row less in its embedding.
  void append_end_token() {
    model.end_token = static_cast<TokenId>(model.tokens.size());
    model.tokens.emplace_back(kEndTokenName);
  }
};

struct AddedToken {
  std::string content;
  std::size_t id;
};

/// Added tokens join the vocabulary; those that stand in it already must have the same id there.
std::vector<AddedToken> add_added_tokens(const json::Json& file, const json::Json& entries, Vocabulary& vocabulary,
                                         std::string_view source) {
  std::vector<AddedToken> added;
  const json::Json* list = file.find("added_tokens");
  if (list == nullptr || list->is_null()) return added;
  std::unordered_map<std::string_view, std::int64_t> known;
  for (const auto& [name, id] : entries.as_object()) known.emplace(name, id.as_int());
  for (const json::Json& token : list->as_array()) {
    const std::string& content = token.at("content").as_string();
    const std::int64_t id = token.at("id").as_int();
    if (const auto found = known.find(content); found == known.end()) {
      vocabulary.claim(id, content, source);
      vocabulary.model.tokens[static_cast<std::size_t>(id)] = content;
    } else if (found->second != id) {
      base::fail_usage("{}: the added token \"{}\" has the id {}, but {} in model.vocab", source, content, id,
                       found->second);
    }
    added.push_back({content, static_cast<std::size_t>(id)});
  }
  return added;
}

/// "null", or the "type" member, or the value itself: what a message says it found.
std::string found_type(const json::Json* part) {
  if (part == nullptr || part->is_null()) return "null";
  if (part->is_object()) {
    if (const json::Json* type = part->find("type"); type != nullptr && type->is_string()) return type->as_string();
  }
  return part->dump();
}

/// Refuses what would give other ids than GPT-2's scheme does, or text that does not decode to itself.
void require_gpt2_scheme(const json::Json& file, const json::Json& model, std::string_view source) {
  const auto refuse = [&](std::string_view key, const std::string& found, std::string_view wanted) {
    base::fail_usage(
        "{}: {} is {}; expected {}: of Hugging Face tokenizers only byte-level BPE as GPT-2 has it is read "
        "here; train one on your text (tessera data train-tokenizer), or use bytes",
        source, key, found, wanted);
  };
  // Early files, GPT-2's own among them, have no model.type.
  const json::Json* type = model.find("type");
  if (type != nullptr && found_type(&model) != "BPE") refuse("model.type", found_type(&model), "BPE");
  for (const char* key : {"vocab", "merges"}) {
    if (model.find(key) == nullptr) refuse(std::string("model.") + key, "missing", "a BPE model");
  }
  const auto require_off = [&](const json::Json& object, std::string_view where, const char* key) {
    const json::Json* value = object.find(key);
    if (value == nullptr || value->is_null()) return;
    const bool off = (value->is_bool() && !value->as_bool()) || (value->is_string() && value->as_string().empty()) ||
                     (value->is_number() && value->as_double() == 0.0);
    if (!off) refuse(std::string(where) + key, value->dump(), "none");
  };
  for (const char* key :
       {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"}) {
    require_off(model, "model.", key);
  }
  if (found_type(file.find("normalizer")) != "null") refuse("normalizer", found_type(file.find("normalizer")), "null");
  const json::Json* split = file.find("pre_tokenizer");
  if (found_type(split) != "ByteLevel") refuse("pre_tokenizer", found_type(split), "ByteLevel");
  require_off(*split, "pre_tokenizer.", "add_prefix_space");
  if (const json::Json* regex = split->find("use_regex"); regex != nullptr && !regex->as_bool()) {
    refuse("pre_tokenizer.use_regex", "false", "true");
  }
}

}  // namespace

std::unique_ptr<Tokenizer> bpe_from_hugging_face(const json::Json& file, std::string_view source) {
  const json::Json& model = file.at("model");
  require_gpt2_scheme(file, model, source);
  Vocabulary vocabulary;
  vocabulary.add_entries(model.at("vocab"), source);
  const auto added = add_added_tokens(file, model.at("vocab"), vocabulary, source);
  vocabulary.require_no_holes(source);

  std::vector<NamedMerge> merges;
  for (const json::Json& merge : model.at("merges").as_array()) {
    if (merge.is_string()) {
      merges.push_back(parse_merge(merge.as_string(), source, merges.size()));
    } else if (merge.as_array().size() == 2) {
      const json::Array& pair = merge.as_array();
      merges.push_back(parse_merge(pair[0].as_string(), pair[1].as_string(), source, merges.size()));
    } else {
      base::fail_usage("{}: merge {} is {}; expected two tokens", source, merges.size(), merge.dump());
    }
  }
  resolve(vocabulary.model, vocabulary.plain, merges, source);

  // An added token is written as its content. One that merges can make as well stays an ordinary token, as text gives
  // it.
  const std::vector<bool> reachable = reachable_tokens(vocabulary.model);
  std::optional<std::size_t> end;
  for (const auto& token : added) {
    if (!reachable[token.id]) vocabulary.model.tokens[token.id] = token.content;
  }
  for (const char* name : kEndTokenNames) {
    for (const auto& token : added) {
      if (!end && token.content == name && !reachable[token.id]) end = token.id;
    }
  }
  if (end) {
    vocabulary.model.end_token = static_cast<TokenId>(*end);
  } else {
    vocabulary.append_end_token();
  }
  return bpe_tokenizer(std::move(vocabulary.model));
}

std::unique_ptr<Tokenizer> bpe_from_gpt2_files(const std::string& vocabulary_path, const std::string& merges_path) {
  const json::Json entries = json::parse(read_file(vocabulary_path), vocabulary_path);
  Vocabulary vocabulary;
  vocabulary.add_entries(entries, vocabulary_path);
  vocabulary.require_no_holes(vocabulary_path);

  const std::string lines = read_file(merges_path);
  std::vector<NamedMerge> merges;
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    std::string_view line = std::string_view(lines).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !(begin == 0 && line.starts_with("#version"))) {
      merges.push_back(parse_merge(line, merges_path, merges.size()));
    }
    begin = end + 1;
  }
  resolve(vocabulary.model, vocabulary.plain, merges, vocabulary_path + " and " + merges_path);

  const std::vector<bool> reachable = reachable_tokens(vocabulary.model);
  const json::Json* end = entries.find(kEndTokenName);
  if (end != nullptr && !reachable[static_cast<std::size_t>(end->as_int())]) {
    vocabulary.model.end_token = static_cast<TokenId>(end->as_int());
  } else {
    vocabulary.append_end_token();
  }
  return bpe_tokenizer(std::move(vocabulary.model));
}

}  // namespace tessera::text
