// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.hpp"

#include <fmt/core.h>

#include "base/philox.hpp"

namespace tessera::text {

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
