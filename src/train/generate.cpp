// SPDX-License-Identifier: Apache-2.0
#include "train/generate.hpp"

#include <algorithm>

namespace tessera::train {
namespace {

/// Feeds what is new, or after the context is full the newer half again: learned positions cannot slide.
std::span<const float> feed(model::Decoder& decoder, const std::vector<text::TokenId>& ids, std::size_t num_new) {
  if (decoder.length() + static_cast<std::int64_t>(num_new) > decoder.context()) {
    decoder.reset();
    num_new = static_cast<std::size_t>(std::max<std::int64_t>(1, decoder.context() / 2));
  }
  return decoder.feed(std::span(ids).last(num_new));
}

}  // namespace

std::span<const float> known_to(const text::Tokenizer& tokenizer, std::span<const float> logits) {
  return logits.first(std::min(logits.size(), static_cast<std::size_t>(tokenizer.vocab_size())));
}

Generation generate(model::Decoder& decoder, const text::Tokenizer& tokenizer, const std::string& prompt,
                    const GenerateOptions& options, const std::function<void(std::string_view)>& on_text) {
  Generation result;
  result.prompt_ids = tokenizer.encode(prompt);
  std::vector<text::TokenId> ids = result.prompt_ids;
  if (ids.empty()) ids.push_back(tokenizer.end_token());
  decoder.reset();
  result.ended = "length";
  std::size_t num_new = std::min(ids.size(), static_cast<std::size_t>(decoder.context()));
  std::size_t shown = 0;
  while (static_cast<std::int64_t>(result.new_ids.size()) < options.max_tokens) {
    const std::span<const float> logits = feed(decoder, ids, num_new);
    const text::TokenId id =
        sample_token(known_to(tokenizer, logits), options.sampling, options.stream, result.new_ids.size());
    if (id == tokenizer.end_token()) {
      result.ended = "end token";
      break;
    }
    ids.push_back(id);
    result.new_ids.push_back(id);
    num_new = 1;
    result.text += tokenizer.decode(&id, 1);
    const std::size_t search = shown > options.stop.size() ? shown - options.stop.size() : 0;
    const std::size_t stop = options.stop.empty() ? std::string::npos : result.text.find(options.stop, search);
    if (stop != std::string::npos) {
      result.text.resize(stop);
      result.ended = "stop text";
      break;
    }
    // Hold back what may be the beginning of the stop text.
    const std::size_t safe = result.text.size() - std::min(result.text.size(), options.stop.size());
    if (safe > shown) {
      on_text(std::string_view(result.text).substr(shown, safe - shown));
      shown = safe;
    }
  }
  if (result.text.size() > shown) on_text(std::string_view(result.text).substr(shown));
  return result;
}

}  // namespace tessera::train
