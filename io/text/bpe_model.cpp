// SPDX-License-Identifier: Apache-2.0
// The parts of a BPE model: names resolved to ids, and the form it has inside our own tokenizer files.
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "text/bpe.hpp"
#include "text/byte_alphabet.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

using IdOfBytes = std::unordered_map<std::string_view, TokenId>;

/// How a message names bytes: in the byte alphabet, as the files have them.
std::string shown(std::string_view bytes) {
  return to_byte_alphabet(bytes);
}

TokenId id_of(const IdOfBytes& ids, const std::string& bytes, std::string_view source, std::size_t rank) {
  const auto found = ids.find(bytes);
  if (found == ids.end()) {
    base::fail_usage(
        "{}: merge {} needs the token \"{}\", which is not in the vocabulary; are vocabulary and merges of "
        "the same tokenizer?",
        source, rank, shown(bytes));
  }
  return found->second;
}

/// True if ids are: the 256 bytes in some order, the results of the merges as they first appear, the end token.
bool ids_follow_from_merges(const BpeModel& model) {
  for (const TokenId id : model.byte_ids) {
    if (id >= 256) return false;
  }
  TokenId next = 256;
  for (const BpeMerge& merge : model.merges) {
    if (merge.result > next) return false;
    if (merge.result == next) ++next;
  }
  return model.end_token == next && model.tokens.size() == static_cast<std::size_t>(next) + 1;
}

}  // namespace

void resolve(BpeModel& model, const std::vector<bool>& plain, const std::vector<NamedMerge>& merges,
             std::string_view source) {
  IdOfBytes ids;
  ids.reserve(model.tokens.size());
  for (std::size_t id = 0; id < model.tokens.size(); ++id) {
    if (!plain[id]) continue;
    if (!ids.emplace(model.tokens[id], static_cast<TokenId>(id)).second) {
      base::fail_usage("{}: the token \"{}\" has two ids, {} and {}", source, shown(model.tokens[id]),
                       ids.at(model.tokens[id]), id);
    }
  }
  model.byte_ids.clear();
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(static_cast<unsigned char>(byte)));
    const auto found = ids.find(bytes);
    if (found == ids.end()) {
      base::fail_usage(
          "{}: no token for byte 0x{:02X} (\"{}\"): byte-level BPE needs one for each of the 256 bytes; "
          "train it again with the full byte alphabet",
          source, byte, shown(bytes));
    }
    model.byte_ids.push_back(found->second);
  }
  model.merges.clear();
  model.merges.reserve(merges.size());
  std::unordered_set<PairKey, PairHash> pairs;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const BpeMerge merge{id_of(ids, left, source, rank), id_of(ids, right, source, rank),
                         id_of(ids, left + right, source, rank)};
    if (!pairs.insert(pair_key(merge.left, merge.right)).second) {
      base::fail_usage("{}: merge {} (\"{}\" and \"{}\") comes twice", source, rank, shown(left), shown(right));
    }
    model.merges.push_back(merge);
  }
}

NamedMerge parse_merge(std::string_view left, std::string_view right, std::string_view source, std::size_t position) {
  auto left_bytes = from_byte_alphabet(left);
  auto right_bytes = from_byte_alphabet(right);
  if (!left_bytes || !right_bytes || left.empty() || right.empty()) {
    base::fail_usage(
        "{}: merge {} (\"{}\" and \"{}\") is not a pair of tokens in GPT-2's byte alphabet; only byte-level "
        "BPE is known here",
        source, position, left, right);
  }
  return {std::move(*left_bytes), std::move(*right_bytes)};
}

NamedMerge parse_merge(std::string_view line, std::string_view source, std::size_t position) {
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos) {
    base::fail_usage("{}: merge {} is \"{}\"; expected two tokens with a blank between them", source, position, line);
  }
  return parse_merge(line.substr(0, blank), line.substr(blank + 1), source, position);
}

std::string merge_line(const BpeModel& model, const BpeMerge& merge) {
  const std::string& left = model.tokens[static_cast<std::size_t>(merge.left)];
  const std::string& right = model.tokens[static_cast<std::size_t>(merge.right)];
  return to_byte_alphabet(left) + " " + to_byte_alphabet(right);
}

std::vector<bool> reachable_tokens(const BpeModel& model) {
  std::vector<bool> reachable(model.tokens.size());
  for (const TokenId id : model.byte_ids) reachable[static_cast<std::size_t>(id)] = true;
  for (const BpeMerge& merge : model.merges) reachable[static_cast<std::size_t>(merge.result)] = true;
  return reachable;
}

void bpe_to_json(const BpeModel& model, json::Json& serialized) {
  serialized.set("end_token", model.end_token);
  if (ids_follow_from_merges(model)) {
    std::string bytes;
    for (std::size_t id = 0; id < 256; ++id) bytes += model.tokens[id];
    serialized.set("bytes", to_byte_alphabet(bytes));
  } else {
    const std::vector<bool> reachable = reachable_tokens(model);
    json::Array tokens, special;
    for (std::size_t id = 0; id < model.tokens.size(); ++id) {
      tokens.emplace_back(to_byte_alphabet(model.tokens[id]));
      if (!reachable[id]) special.emplace_back(static_cast<std::int64_t>(id));
    }
    serialized.set("tokens", std::move(tokens)).set("special", std::move(special));
  }
  json::Array merges;
  merges.reserve(model.merges.size());
  for (const BpeMerge& merge : model.merges) merges.emplace_back(merge_line(model, merge));
  serialized.set("merges", std::move(merges));
}

std::unique_ptr<Tokenizer> bpe_from_json(const json::Json& serialized, std::string_view source) {
  BpeModel model;
  std::vector<NamedMerge> merges;
  for (const json::Json& merge : serialized.at("merges").as_array()) {
    merges.push_back(parse_merge(merge.as_string(), source, merges.size()));
  }
  const auto decoded = [&](const std::string& characters) {
    auto bytes = from_byte_alphabet(characters);
    if (!bytes) base::fail_usage("{}: \"{}\" is not in GPT-2's byte alphabet", source, characters);
    return std::move(*bytes);
  };
  std::vector<bool> plain;
  if (const json::Json* bytes = serialized.find("bytes")) {
    for (const char byte : decoded(bytes->as_string())) model.tokens.emplace_back(1, byte);
    std::unordered_set<std::string> known(model.tokens.begin(), model.tokens.end());
    for (const auto& [left, right] : merges) {
      if (known.insert(left + right).second) model.tokens.push_back(left + right);
    }
    plain.assign(model.tokens.size(), true);
    model.tokens.emplace_back(kEndTokenName);
    plain.push_back(false);
  } else {
    for (const json::Json& token : serialized.at("tokens").as_array()) {
      model.tokens.push_back(decoded(token.as_string()));
    }
    plain.assign(model.tokens.size(), true);
    for (const json::Json& special : serialized.at("special").as_array()) {
      const std::int64_t id = special.as_int();
      if (id < 0 || id >= static_cast<std::int64_t>(plain.size())) {
        base::fail_usage("{}: special token {} is outside the vocabulary of {}", source, id, plain.size());
      }
      plain[static_cast<std::size_t>(id)] = false;
    }
  }
  const std::int64_t end = serialized.at("end_token").as_int();
  if (end < 0 || end >= static_cast<std::int64_t>(plain.size()) || plain[static_cast<std::size_t>(end)]) {
    base::fail_usage("{}: end_token {} is not the id of a special token", source, end);
  }
  model.end_token = static_cast<TokenId>(end);
  resolve(model, plain, merges, source);
  return bpe_tokenizer(std::move(model));
}

}  // namespace tessera::text
