// SPDX-License-Identifier: Apache-2.0
#include "text/parallel_encoder.hpp"

#include "base/error.hpp"
#include "base/parallel.hpp"
#include "text/cuts.hpp"

namespace tessera::text {

namespace {

// Small enough that threads end together on a few MiB, large enough that handing out costs nothing.
constexpr std::size_t kPartBytes = 256 * 1024;

}  // namespace

ParallelEncoder::ParallelEncoder(const Tokenizer& tokenizer, int threads) : tokenizer_(tokenizer) {
  for (int thread = 0; thread < threads; ++thread) encoders_.push_back(tokenizer.encoder());
}

const std::vector<std::vector<TokenId>>& ParallelEncoder::encode(std::string_view text) {
  const std::vector<std::string_view> texts = cut(text, kPartBytes);
  parts_.resize(texts.size());
  for (std::vector<TokenId>& ids : parts_) ids.clear();
  try {
    base::run_tasks(texts.size(), static_cast<int>(encoders_.size()), [&](std::size_t part, int thread) {
      encoders_[static_cast<std::size_t>(thread)]->encode(texts[part], parts_[part]);
    });
  } catch (const base::UsageError&) {
    tokenizer_.encode(text);  // throws too, and counts the bytes from the beginning of the whole
    throw;
  }
  return parts_;
}

}  // namespace tessera::text
