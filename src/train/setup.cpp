// SPDX-License-Identifier: Apache-2.0
#include "train/setup.hpp"

#include <fmt/core.h>

#include "base/error.hpp"
#include "data/split.hpp"

namespace tessera::train {

RunData::RunData(const config::DataConfig& config) : train_file(data::TokenFile::open(config.train)) {
  train = {&train_file, 0, train_file.num_tokens()};
  if (!config.valid.empty()) {
    valid_file.emplace(data::TokenFile::open(config.valid));
    if (valid_file->fingerprint() != train_file.fingerprint())
      base::fail_usage(
          "data.valid = '{}' was made with another tokenizer than data.train = '{}': prepare it with --tokenizer {}",
          config.valid, config.train, config.train);
    valid = {&*valid_file, 0, valid_file->num_tokens()};
  } else if (config.valid_fraction > 0) {
    const std::int64_t split = data::held_out_start(train_file.num_tokens(), config.valid_fraction);
    train.last = split;
    valid = {&train_file, split, train_file.num_tokens()};
  }
  if (!config.tokenizer.empty() && data::open_tokenizer(config.tokenizer)->fingerprint() != train_file.fingerprint())
    base::fail_usage("data.tokenizer = '{}' is not the tokenizer of data.train = '{}'", config.tokenizer, config.train);
}

std::int64_t automatic_micro_batch(std::int64_t sequences_per_rank, std::int64_t context) {
  constexpr std::int64_t kMostTokens = 8192;
  std::int64_t micro = sequences_per_rank;
  while (micro > 1 && (sequences_per_rank % micro != 0 || micro * context > kMostTokens)) --micro;
  return micro;
}

config::Config resolve(const config::Config& config, const RunData& data, int ranks) {
  config::Config resolved = config;
  std::string problems;
  const std::int64_t vocab = data.train_file.vocab_size();
  if (resolved.model.vocab == 0) resolved.model.vocab = vocab;
  if (resolved.model.vocab < vocab)
    problems +=
        fmt::format("\n  model.vocab = {} is smaller than the tokenizer's {}: use auto", config.model.vocab, vocab);
  const std::int64_t context = resolved.model.context;
  if (data.train.num_tokens() < context + 1)
    problems += fmt::format(
        "\n  model.context = {} is longer than the data: '{}' has {} tokens to train on, one sequence needs {}. "
        "Use a shorter context or more text",
        context, data.train_file.path(), data.train.num_tokens(), context + 1);
  if (data.valid.file && data.valid.num_tokens() < 2)
    problems += fmt::format(
        "\n  the held-out part has {} tokens, at least 2 are needed: raise data.valid_fraction or give data.valid",
        data.valid.num_tokens());
  if (!problems.empty()) base::fail_usage("configuration and data do not fit:{}", problems);
  if (resolved.optim.micro_batch == 0)
    resolved.optim.micro_batch = automatic_micro_batch(resolved.optim.batch / ranks, context);
  return resolved;
}

}  // namespace tessera::train
