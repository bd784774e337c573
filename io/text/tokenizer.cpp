// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.hpp"

#include <fmt/core.h>

#include "base/philox.hpp"

namespace tessera::text {

namespace {

/// For tokenizers that have nothing to remember.
class PlainEncoder final : public Encoder {
 public:
  explicit PlainEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  void encode(std::string_view text, std::vector<TokenId>& out) override { tokenizer_.encode(text, out); }

 private:
  const Tokenizer& tokenizer_;
};

}  // namespace

std::unique_ptr<Encoder> Tokenizer::encoder() const {
  return std::make_unique<PlainEncoder>(*this);
}

std::vector<NamedFile> Tokenizer::hugging_face_files(std::int64_t) const {
  return {};
}

std::vector<TokenId> Tokenizer::encode(std::string_view text) const {
  std::vector<TokenId> out;
  encode(text, out);
  return out;
}

std::string Tokenizer::fingerprint() const {
  const std::string serialized = serialize();
  return fmt::format("{:016x}", base::name_hash(serialized.data(), serialized.data() + serialized.size()));
}

}  // namespace tessera::text
