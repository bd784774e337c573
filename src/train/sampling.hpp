// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace tessera::train {

/// How the next token is drawn from logits.
struct SamplingOptions {
  double temperature = 1.0;  ///< 0: greedy
  std::int64_t top_k = 0;    ///< only the k most likely tokens; 0 = all
  double top_p = 1.0;        ///< only the smallest set with at least this probability (Holtzman et al. 2020)
  std::uint64_t seed = 0;
};

/// Draws a token id: a pure function of (logits, options, stream, position). `stream` separates prompts and samples,
/// `position` is the index of the token drawn. Ties are broken by the lower id. Throws base::Error if no logit is
/// finite.
std::int32_t sample_token(std::span<const float> logits, const SamplingOptions& options, std::uint64_t stream,
                          std::uint64_t position);

}  // namespace tessera::train
