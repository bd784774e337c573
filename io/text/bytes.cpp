// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

/// Ids 0 to 255 are the byte values, 256 ends a document.
class BytesTokenizer final : public Tokenizer {
 public:
  void encode(std::string_view text, std::vector<TokenId>& out) const override {
    const std::size_t before = out.size();
    out.resize(before + text.size());
    for (std::size_t i = 0; i < text.size(); ++i) out[before + i] = static_cast<unsigned char>(text[i]);
  }

  std::string decode(const TokenId* ids, std::size_t count) const override {
    std::string out;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      require_id(ids[i], vocab_size());
      if (ids[i] != end_token()) out += static_cast<char>(static_cast<unsigned char>(ids[i]));
    }
    return out;
  }

  std::int64_t vocab_size() const override { return 257; }
  TokenId end_token() const override { return 256; }
  const char* kind() const override { return "bytes"; }
  std::string serialize() const override { return tokenizer_header(kind()).dump(); }
};

}  // namespace

std::unique_ptr<Tokenizer> bytes_tokenizer() {
  return std::make_unique<BytesTokenizer>();
}

}  // namespace tessera::text
