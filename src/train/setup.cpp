// SPDX-License-Identifier: Apache-2.0
#include "train/setup.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>

#include "base/error.hpp"
#include "config/data_files.hpp"
#include "config/layout.hpp"
#include "data/split.hpp"

namespace tessera::train {
namespace {

/// Opens the files of a key; each must share the tokenizer of `first`, or, without one, of the first of them.
std::vector<data::TokenFile> open_all(const std::string& key, const std::vector<config::DataFile>& files,
                                      const data::TokenFile* first) {
  std::vector<data::TokenFile> opened;
  for (const config::DataFile& file : files) {
    opened.push_back(data::TokenFile::open(file.path));
    const data::TokenFile& other = first ? *first : opened.front();
    if (opened.back().fingerprint() != other.fingerprint())
      base::fail_usage(
          "'{}' of {} was made with another tokenizer than '{}' of data.train: prepare it with --tokenizer {}",
          file.path, key, other.path(), other.path());
  }
  return opened;
}

/// What is left of a mixture when its other files are deleted: "a.h5:0.7".
void refuse_weight_of_one(const char* key, const std::vector<config::DataFile>& list) {
  if (list.size() != 1 || std::filesystem::exists(list.front().path)) return;
  const std::string& path = list.front().path;
  const std::string before = path.substr(0, path.rfind(':'));
  if (before != path && std::filesystem::exists(before))
    base::fail_usage("{} = '{}' does not exist, but '{}' does: one file alone takes no weight, drop it", key, path,
                     before);
}

}  // namespace

RunData::RunData(const config::DataConfig& config) {
  const std::vector<config::DataFile> train_list = config::parse_data_files("data.train", config.train);
  const std::vector<config::DataFile> valid_list = config::parse_data_files("data.valid", config.valid);
  if (train_list.empty()) base::fail_usage("data.train is missing: set it to a token file");
  refuse_weight_of_one("data.train", train_list);
  refuse_weight_of_one("data.valid", valid_list);
  train_files = open_all("data.train", train_list, nullptr);
  valid_files = open_all("data.valid", valid_list, &first_file());
  for (std::size_t i = 0; i < train_files.size(); ++i) {
    const data::TokenFile& file = train_files[i];
    std::int64_t split = file.num_tokens();
    if (valid_files.empty() && config.valid_fraction > 0) {
      split = data::held_out_start(file.num_tokens(), config.valid_fraction);
      valid.sources.push_back({{&file, split, file.num_tokens()}, train_list[i].weight});
    }
    mixture.sources.push_back({{&file, 0, split}, train_list[i].weight});
  }
  for (std::size_t i = 0; i < valid_files.size(); ++i)
    valid.sources.push_back({{&valid_files[i], 0, valid_files[i].num_tokens()}, valid_list[i].weight});
  if (!config.tokenizer.empty() && data::open_tokenizer(config.tokenizer)->fingerprint() != first_file().fingerprint())
    base::fail_usage("data.tokenizer = '{}' is not the tokenizer of data.train = '{}'", config.tokenizer, config.train);
}

std::string RunData::describe() const {
  std::string text;
  for (const data::TokenFile& file : train_files) text += (text.empty() ? "" : "; ") + file.describe_tokens();
  return text;
}

std::int64_t automatic_micro_batch(std::int64_t sequences_per_rank, std::int64_t context, std::int64_t stages,
                                   bool interleaved) {
  constexpr std::int64_t kMostTokens = 8192, kLeastForEachStage = 4;
  const std::int64_t divisible = interleaved ? sequences_per_rank / stages : sequences_per_rank;
  std::int64_t most = sequences_per_rank;
  if (stages > 1) most = std::min(most / (kLeastForEachStage * stages), divisible);
  std::int64_t micro = std::clamp<std::int64_t>(kMostTokens / context, 1, std::max<std::int64_t>(1, most));
  while (divisible % micro != 0) --micro;
  return micro;
}

std::int64_t automatic_micro_batch(const config::Config& config, int ranks) {
  const config::Layout layout = config::layout_of(config, ranks);
  return automatic_micro_batch(config.optim.first_batch() / layout.data, config.model.context, layout.pipeline,
                               config.parallel.pipeline_schedule == "interleaved");
}

config::Config resolve(const config::Config& config, const RunData& data, int ranks) {
  config::Config resolved = config;
  std::string problems;
  const std::int64_t vocab = data.first_file().vocab_size();
  if (resolved.model.vocab == 0) resolved.model.vocab = vocab;
  if (resolved.model.vocab < vocab)
    problems +=
        fmt::format("\n  model.vocab = {} is smaller than the tokenizer's {}: use auto", config.model.vocab, vocab);
  if (resolved.model.vocab < resolved.parallel.tensor)
    problems += fmt::format(
        "\n  parallel.tensor = {} leaves ranks without a token of the vocabulary of {}: use parallel.tensor = {} or "
        "less",
        resolved.parallel.tensor, resolved.model.vocab, resolved.model.vocab);
  document_end(config.data, *data.first_file().tokenizer());  // throws where a mask is asked for in vain
  const std::int64_t context = resolved.model.context;
  for (const auto& [range, weight] : data.mixture.sources)
    if (range.num_tokens() < context + 1)
      problems += fmt::format(
          "\n  model.context = {} is longer than the data: '{}' has {} tokens to train on, one sequence needs {}. "
          "Use a shorter context or more text",
          context, range.file->path(), range.num_tokens(), context + 1);
  for (const auto& [range, weight] : data.valid.sources)
    if (range.num_tokens() < 2)
      problems += fmt::format(
          "\n  the held-out part of '{}' has {} tokens, at least 2 are needed: raise data.valid_fraction or give "
          "data.valid",
          range.file->path(), range.num_tokens());
  if (!problems.empty()) base::fail_usage("configuration and data do not fit:{}", problems);
  if (resolved.optim.micro_batch == 0) resolved.optim.micro_batch = automatic_micro_batch(resolved, ranks);
  return resolved;
}

}  // namespace tessera::train
