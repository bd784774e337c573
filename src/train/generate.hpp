// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/decoder.hpp"
#include "text/tokenizer.hpp"
#include "train/sampling.hpp"

namespace tessera::train {

struct GenerateOptions {
  SamplingOptions sampling;
  std::int64_t max_tokens = 256;  ///< new tokens at most
  std::string stop;               ///< ends when the new text contains it (the text is cut before it); "" = never
  std::uint64_t stream = 0;       ///< number of the prompt: separates their random draws
};

struct Generation {
  std::vector<text::TokenId> prompt_ids, new_ids;
  std::string text;        ///< of the new tokens
  const char* ended = "";  ///< "length", "end token" or "stop text"
};

/// The logits of ids that the tokenizer has: model.vocab may be larger, and what is beyond means no text.
std::span<const float> known_to(const text::Tokenizer& tokenizer, std::span<const float> logits);

/// Continues `ids` (at least one) with up to options.max_tokens tokens drawn from ids below `vocab`; take() gets each
/// and says whether to go on. When the context is full the older half of it is forgotten and the rest computed again.
/// Prompts longer than the context keep their end.
void continue_ids(model::Decoder& decoder, std::vector<text::TokenId> ids, std::int64_t vocab,
                  const GenerateOptions& options, const std::function<bool(text::TokenId)>& take);

/// Continues `prompt` ("" starts a new document, behind an end token). `on_text` receives new bytes as they come.
Generation generate(model::Decoder& decoder, const text::Tokenizer& tokenizer, const std::string& prompt,
                    const GenerateOptions& options, const std::function<void(std::string_view)>& on_text);

}  // namespace tessera::train
