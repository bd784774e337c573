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
  /// What is trained on, as checkpoints record it: other tokens almost surely give another text.
  std::string describe() const;
};

/// Fills what the configuration leaves to the data and the ranks: model.vocab = 0 becomes the tokenizer's,
/// optim.micro_batch = 0 what automatic_micro_batch() says of the first batch. `config` must be valid for `ranks`.
/// Throws base::UsageError listing every problem between configuration and data (context longer than the data,
/// vocabulary too small).
config::Config resolve(const config::Config& config, const RunData& data, int ranks);

/// The largest divisor of a data rank's share of a batch with at most 8192 tokens and, to keep the bubble of a pipeline
/// small, at least 4 micro-batches for each of its `stages` ranks where the share allows; with `interleaved` in
/// multiples of `stages`, which must divide the share.
std::int64_t automatic_micro_batch(std::int64_t sequences_per_rank, std::int64_t context, std::int64_t stages = 1,
                                   bool interleaved = false);

/// The micro-batch of that rule for the first batch of a run on `ranks` ranks; 1 without a batch.
std::int64_t automatic_micro_batch(const config::Config& config, int ranks);

}  // namespace tessera::train
