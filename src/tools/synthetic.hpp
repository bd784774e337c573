// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "data/token_file.hpp"

namespace tessera::tools {

/// A token file of `num_bytes` pseudo-random letters in documents of one length (bytes tokenizer, vocabulary 257) that
/// exists only in memory maps of this process: data for bench and selftest, the same on every rank.
data::TokenFile synthetic_tokens(std::int64_t num_bytes, std::int64_t num_documents = 1);

}  // namespace tessera::tools
