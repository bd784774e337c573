// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "text/tokenizer_parts.hpp"
#include "text/utf8.hpp"

namespace tessera::text {

namespace {

constexpr std::size_t kNumCodePoints = 0x110000;

/// The character at `offset`, or a UsageError that says where the text stops being UTF-8.
CodePoint require_character(std::string_view text, std::size_t offset) {
  const CodePoint character = read_code_point(text, offset);
  if (character.num_bytes == 0) {
    base::fail_usage(
        "the text is not UTF-8: byte 0x{:02X} at offset {} starts no character; the characters tokenizer "
        "needs UTF-8: convert the text, or use the bytes tokenizer or BPE, which take any bytes",
        static_cast<unsigned char>(text[offset]), offset);
  }
  return character;
}

class CharactersTokenizer final : public Tokenizer {
 public:
  /// `characters` in code point order.
  explicit CharactersTokenizer(std::vector<char32_t> characters) : characters_(std::move(characters)) {
    id_of_.assign(characters_.back() + std::size_t{1}, -1);
    for (std::size_t id = 0; id < characters_.size(); ++id) id_of_[characters_[id]] = static_cast<TokenId>(id);
  }

  void encode(std::string_view text, std::vector<TokenId>& out) const override {
    for (std::size_t offset = 0; offset < text.size();) {
      const CodePoint character = require_character(text, offset);
      const TokenId id = character.value < id_of_.size() ? id_of_[character.value] : -1;
      if (id < 0) refuse_unknown(text.substr(offset, character.num_bytes), character.value, offset);
      out.push_back(id);
      offset += character.num_bytes;
    }
  }

  std::string decode(const TokenId* ids, std::size_t count) const override {
    std::string out;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      require_id(ids[i], vocab_size());
      if (ids[i] != end_token()) append_utf8(characters_[static_cast<std::size_t>(ids[i])], out);
    }
    return out;
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(characters_.size()) + 1; }
  TokenId end_token() const override { return static_cast<TokenId>(characters_.size()); }
  const char* kind() const override { return "characters"; }

  std::string serialize() const override {
    std::string all;
    for (const char32_t character : characters_) append_utf8(character, all);
    return tokenizer_header(kind()).set("characters", std::move(all)).dump();
  }

 private:
  [[noreturn]] static void refuse_unknown(std::string_view character, char32_t value, std::size_t offset) {
    // A control character printed as itself would hide the message or break its line.
    const bool printable = value >= 0x20 && (value < 0x7F || value >= 0xA0);
    base::fail_usage(
        "character {}U+{:04X} at byte offset {} is not in the vocabulary of this characters tokenizer; leave it out, "
        "or "
        "build the tokenizer from a text that has it, or use the bytes tokenizer or BPE, which take any text",
        printable ? "\"" + std::string(character) + "\" " : "", static_cast<std::uint32_t>(value), offset);
  }

  std::vector<char32_t> characters_;  // [vocab - 1], by id
  std::vector<TokenId> id_of_;        // [largest code point + 1]; -1: unknown
};

}  // namespace

std::unique_ptr<Tokenizer> characters_tokenizer(std::string_view sample) {
  if (sample.empty()) {
    base::fail_usage(
        "the text is empty (offset 0): the characters tokenizer takes its vocabulary from the text, so it "
        "needs at least one character");
  }
  std::vector<bool> seen(kNumCodePoints);
  for (std::size_t offset = 0; offset < sample.size();) {
    const CodePoint character = require_character(sample, offset);
    seen[character.value] = true;
    offset += character.num_bytes;
  }
  std::vector<char32_t> characters;
  for (std::size_t value = 0; value < kNumCodePoints; ++value) {
    if (seen[value]) characters.push_back(static_cast<char32_t>(value));
  }
  return std::make_unique<CharactersTokenizer>(std::move(characters));
}

std::unique_ptr<Tokenizer> characters_from_json(const json::Json& serialized, std::string_view source) {
  const std::string& all = serialized.at("characters").as_string();
  std::vector<char32_t> characters;
  for (std::size_t offset = 0; offset < all.size();) {
    const CodePoint character = require_character(all, offset);
    if (!characters.empty() && character.value <= characters.back()) {
      base::fail_usage("{}: \"characters\" must be in code point order without repetition; U+{:04X} follows U+{:04X}",
                       source, static_cast<std::uint32_t>(character.value),
                       static_cast<std::uint32_t>(characters.back()));
    }
    characters.push_back(character.value);
    offset += character.num_bytes;
  }
  if (characters.empty()) base::fail_usage("{}: \"characters\" is empty; a tokenizer has at least one", source);
  return std::make_unique<CharactersTokenizer>(std::move(characters));
}

}  // namespace tessera::text
