// SPDX-License-Identifier: Apache-2.0
// What the tokenizers of this room share; other rooms use tokenizer.hpp.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "json/json.hpp"
#include "text/tokenizer.hpp"

namespace tessera::text {

/// First members of every serialized tokenizer: format, version, kind.
json::Json tokenizer_header(const char* kind);

/// Rebuild from a parsed serialize(); the header is already checked. Throw UsageError naming `source` on bad content.
std::unique_ptr<Tokenizer> characters_from_json(const json::Json& serialized, std::string_view source);
std::unique_ptr<Tokenizer> bpe_from_json(const json::Json& serialized, std::string_view source);

/// A whole file. Throws UsageError naming the path and the system's reason.
std::string read_file(const std::string& path);

/// Throws UsageError unless 0 <= id < vocab.
inline void require_id(TokenId id, std::int64_t vocab) {
  if (id < 0 || id >= vocab) {
    base::fail_usage(
        "token id {} is outside the vocabulary: ids run from 0 to {}; were these tokens made with another "
        "tokenizer?",
        id, vocab - 1);
  }
}

}  // namespace tessera::text
