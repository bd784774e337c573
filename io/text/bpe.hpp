// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE inside this room: what loaders and the trainer hand to the tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.hpp"
#include "text/tokenizer.hpp"

namespace tessera::text {

/// Name of the end token in GPT-2's vocabulary, and of the one we append where there is none.
inline constexpr const char* kEndTokenName = "<|endoftext|>";
/// Names by which the end token is known among the added tokens of a Hugging Face file, the first that is there.
inline constexpr const char* kEndTokenNames[] = {kEndTokenName, "</s>", "<|end|>", "<|end_of_text|>", "<eos>"};

struct BpeMerge {
  TokenId left = 0, right = 0, result = 0;
};

/// Two adjacent tokens as one number, and its hash.
using PairKey = std::uint64_t;
constexpr PairKey pair_key(TokenId left, TokenId right) {
  return PairKey{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}
struct PairHash {
  std::size_t operator()(PairKey key) const { return (key ^ key >> 29) * 0x9E3779B97F4A7C15u; }
};

/// Every token is either a byte, or the result of a merge, or special: the end token and others that no text gives.
struct BpeModel {
  std::vector<std::string> tokens;  // [vocab] bytes of each id; for special tokens their name
  std::vector<TokenId> byte_ids;    // [256] id of each byte value
  std::vector<BpeMerge> merges;     // by rank: the first that applies is merged first
  TokenId end_token = 0;
};

/// Builds the tokenizer. The model must be consistent: resolve() sees to it.
std::unique_ptr<Tokenizer> bpe_tokenizer(BpeModel model);

/// A merge as it stands in files: the bytes of its two tokens.
struct NamedMerge {
  std::string left, right;
};

/// Fills byte_ids and merges from `tokens`, where `plain[id]` says that tokens[id] are bytes that text may become
/// (true) or the name of a special token (false). Throws UsageError naming `source` if a byte has no token, a merge
/// names an unknown token or comes twice, or two plain tokens are equal.
void resolve(BpeModel& model, const std::vector<bool>& plain, const std::vector<NamedMerge>& merges,
             std::string_view source);

/// "a b" of a merges list, in the byte alphabet. Throws UsageError naming `source` and `position` (which merge).
NamedMerge parse_merge(std::string_view left, std::string_view right, std::string_view source, std::size_t position);
NamedMerge parse_merge(std::string_view line, std::string_view source, std::size_t position);

/// The way back: "a b".
std::string merge_line(const BpeModel& model, const BpeMerge& merge);

/// For each id whether it is a byte or the result of a merge.
std::vector<bool> reachable_tokens(const BpeModel& model);

/// The members of serialize() after the header.
void bpe_to_json(const BpeModel& model, json::Json& serialized);

/// Tokenizer::hugging_face_files(): vocab.json, merges.txt, tokenizer.json, tokenizer_config.json.
std::vector<NamedFile> bpe_to_hugging_face(const BpeModel& model, std::int64_t context);

/// A parsed Hugging Face tokenizer.json. Throws UsageError naming what it found if this is not GPT-2's kind of BPE.
std::unique_ptr<Tokenizer> bpe_from_hugging_face(const json::Json& file, std::string_view source);
/// OpenAI's two files: encoder.json (vocabulary) and vocab.bpe (merges).
std::unique_ptr<Tokenizer> bpe_from_gpt2_files(const std::string& vocabulary_path, const std::string& merges_path);

}  // namespace tessera::text
