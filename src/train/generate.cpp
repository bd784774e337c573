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

void continue_ids(model::Decoder& decoder, std::vector<text::TokenId> ids, std::int64_t vocab,
                  const GenerateOptions& options, const std::function<bool(text::TokenId)>& take) {
  decoder.reset();
  std::size_t num_new = std::min(ids.size(), static_cast<std::size_t>(decoder.context()));
  for (std::int64_t position = 0; position < options.max_tokens; ++position) {
    const std::span<const float> logits = feed(decoder, ids, num_new).first(static_cast<std::size_t>(vocab));
    ids.push_back(sample_token(logits, options.sampling, options.stream, static_cast<std::uint64_t>(position)));
    num_new = 1;
    if (!take(ids.back())) return;
  }
}

Generation generate(model::Decoder& decoder, const text::Tokenizer& tokenizer, const std::string& prompt,
                    const GenerateOptions& options, const std::function<void(std::string_view)>& on_text) {
  Generation result;
  result.prompt_ids = tokenizer.encode(prompt);
  std::vector<text::TokenId> ids = result.prompt_ids;
  if (ids.empty()) ids.push_back(tokenizer.end_token());
  result.ended = "length";
  std::size_t shown = 0;
  const auto take = [&](text::TokenId id) {
    if (id == tokenizer.end_token()) {
      result.ended = "end token";
      return false;
    }
    result.new_ids.push_back(id);
    result.text += tokenizer.decode(&id, 1);
    const std::size_t search = shown > options.stop.size() ? shown - options.stop.size() : 0;
    const std::size_t stop = options.stop.empty() ? std::string::npos : result.text.find(options.stop, search);
    if (stop != std::string::npos) {
      result.text.resize(stop);
      result.ended = "stop text";
      return false;
    }
    // Hold back what may be the beginning of the stop text.
    const std::size_t safe = result.text.size() - std::min(result.text.size(), options.stop.size());
    if (safe > shown) {
      on_text(std::string_view(result.text).substr(shown, safe - shown));
      shown = safe;
    }
    return true;
  };
  // model.vocab may be larger than the tokenizer.
  continue_ids(decoder, std::move(ids), std::min(tokenizer.vocab_size(), decoder.vocab()), options, take);
  if (result.text.size() > shown) on_text(std::string_view(result.text).substr(shown));
  return result;
}

}  // namespace tessera::train
