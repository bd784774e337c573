// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/config.hpp"
#include "train/tokens.hpp"

namespace tessera::train {

/// The data of a run: token files opened, checked to share one tokenizer, and cut into training and held-out parts.
struct RunData {
  std::vector<data::TokenFile> train_files, valid_files;
  TokenMixture mixture, valid;  ///< what is trained on and what is held out, if anything

  RunData(RunData&&) = delete;  // the ranges point into it
  /// Throws base::UsageError naming the files.
  explicit RunData(const config::DataConfig& config);
  /// The file whose tokenizer stands for that of all.
  const data::TokenFile& first_file() const { return train_files.front(); }
};

/// Fills what the configuration leaves to the data and the ranks: model.vocab = 0 becomes the tokenizer's,
/// optim.micro_batch = 0 the largest divisor of the rank's share of the first batch with at most 8192 tokens. Throws
/// base::UsageError listing every problem between configuration and data (context longer than the data, vocabulary too
/// small).
config::Config resolve(const config::Config& config, const RunData& data, int ranks);

/// The micro-batch of that rule.
std::int64_t automatic_micro_batch(std::int64_t sequences_per_rank, std::int64_t context);

}  // namespace tessera::train
