// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "config/config.hpp"
#include "data/token_file.hpp"
#include "train/batch_source.hpp"

namespace tessera::train {

/// The data of a run: token files opened, checked against each other, and cut into a training and a held-out part.
struct RunData {
  data::TokenFile train_file;
  std::optional<data::TokenFile> valid_file;
  TokenRange train, valid;  ///< valid.file is nullptr if nothing is held out

  RunData(RunData&&) = delete;  // the ranges point into it
  explicit RunData(const config::DataConfig& config);
};

/// Fills what the configuration leaves to the data and the ranks: model.vocab = 0 becomes the tokenizer's,
/// optim.micro_batch = 0 the largest divisor of the rank's share of the batch with at most 8192 tokens. Throws
/// base::UsageError listing every problem between configuration and data (context longer than the data, vocabulary too
/// small, another tokenizer).
config::Config resolve(const config::Config& config, const RunData& data, int ranks);

/// The micro-batch of that rule.
std::int64_t automatic_micro_batch(std::int64_t sequences_per_rank, std::int64_t context);

}  // namespace tessera::train
