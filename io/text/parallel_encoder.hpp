// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "text/tokenizer.hpp"

namespace tessera::text {

/// Encodes long texts by several threads, each with an encoder of its own. Ids and errors are those of
/// tokenizer.encode(), for any number of threads.
class ParallelEncoder {
 public:
  /// `tokenizer` must outlive it; threads >= 1.
  ParallelEncoder(const Tokenizer& tokenizer, int threads);

  /// The ids of `text`: those of the first part, of the second, ... Valid until the next call.
  const std::vector<std::vector<TokenId>>& encode(std::string_view text);

 private:
  const Tokenizer& tokenizer_;
  std::vector<std::unique_ptr<Encoder>> encoders_;  // [threads]
  std::vector<std::vector<TokenId>> parts_;
};

}  // namespace tessera::text
