// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/config.hpp"
#include "data/token_file.hpp"

namespace tessera::train {

/// Tokens [first, last) of a token file: the part that trains or the part that is held out.
struct TokenRange {
  const data::TokenFile* file = nullptr;
  std::int64_t first = 0, last = 0;
  std::int64_t num_tokens() const { return last - first; }
};

/// Stretches of tokens with their weights, in any unit: what a run trains on, or what it evaluates.
struct TokenMixture {
  struct Source {
    TokenRange range;
    double weight = 1.0;  ///< 0, in evaluation only and for all: every token counts the same
  };
  std::vector<Source> sources;

  TokenMixture() = default;
  TokenMixture(const TokenRange& range) : sources{{range}} {}
};

/// The token behind which a document begins for attention; -1 without data.document_mask: a window is one document.
text::TokenId document_end(const config::DataConfig& config, const text::Tokenizer& tokenizer);

}  // namespace tessera::train
