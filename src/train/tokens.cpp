// SPDX-License-Identifier: Apache-2.0
#include "train/tokens.hpp"

#include "base/error.hpp"

namespace tessera::train {

text::TokenId document_end(const config::DataConfig& config, const text::Tokenizer& tokenizer) {
  if (!config.document_mask) return -1;
  const text::TokenId end = tokenizer.end_token();
  if (end < 0)
    base::fail_usage(
        "data.document_mask = true needs a token that ends documents, and the {} tokenizer of data.train has none: "
        "prepare the text with another tokenizer, or set it to false",
        tokenizer.kind());
  return end;
}

}  // namespace tessera::train
