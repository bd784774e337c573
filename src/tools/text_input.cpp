// SPDX-License-Identifier: Apache-2.0
#include "tools/text_input.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/error.hpp"
#include "config/data_files.hpp"
#include "data/prepare.hpp"
#include "data/split.hpp"
#include "tools/temporary_folder.hpp"

namespace tessera::tools {

EvaluationText::EvaluationText(std::unique_ptr<data::TokenFile> file, std::string name, std::int64_t first,
                               std::int64_t last, double weight)
    : file_(std::move(file)),
      name_(std::move(name)),
      range_{file_.get(), first, last < 0 ? file_->num_tokens() : last},
      weight_(weight) {}

namespace {

/// A token file made with `tokenizer`: ids of another one would mean other texts, or nothing at all.
std::unique_ptr<data::TokenFile> open_token_file(const std::string& path, const text::Tokenizer& tokenizer) {
  auto file = std::make_unique<data::TokenFile>(data::TokenFile::open(path));
  if (file->fingerprint() != tokenizer.fingerprint())
    base::fail_usage(
        "'{}' was made with another tokenizer than the checkpoint: prepare the text with the run's token file "
        "as --tokenizer, or give the text itself as --data",
        path);
  return file;
}

}  // namespace

EvaluationText open_evaluation_text(const std::string& path, const text::Tokenizer& tokenizer) {
  if (data::is_token_file(path)) return {open_token_file(path, tokenizer), "'" + path + "'", 0, -1};
  const TemporaryFolder folder;  // the token file stays readable through its map after the folder is gone
  const std::string tokenizer_path = folder.path() + "/tokenizer.json", output = folder.path() + "/tokens.h5";
  text::save_tokenizer(tokenizer, tokenizer_path);
  data::PrepareOptions options;
  options.inputs = {path};
  options.tokenizer = tokenizer_path;
  options.output = output;
  data::prepare(options);
  return {std::make_unique<data::TokenFile>(data::TokenFile::open(output)), "'" + path + "'", 0, -1};
}

std::vector<EvaluationText> held_out_texts(const config::DataConfig& config, const text::Tokenizer& tokenizer,
                                           const std::string& checkpoint) {
  std::vector<EvaluationText> texts;
  for (const auto& [path, weight] : config::parse_data_files("data.valid", config.valid))
    texts.emplace_back(open_token_file(path, tokenizer), "'" + path + "'", 0, -1, weight);
  if (!texts.empty()) return texts;
  if (config.valid_fraction <= 0)
    base::fail_usage("the run of '{}' held nothing out: give a text or token file with --data", checkpoint);
  for (const auto& [path, weight] : config::parse_data_files("data.train", config.train)) {
    auto file = open_token_file(path, tokenizer);
    const std::int64_t split = data::held_out_start(file->num_tokens(), config.valid_fraction);
    texts.emplace_back(std::move(file), "the held-out part of '" + path + "'", split, -1, weight);
  }
  return texts;
}

std::string read_text(const std::string& path) {
  std::string text;
  if (path == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    if (std::filesystem::is_directory(path)) base::fail_usage("'{}' is a folder: give a text file", path);
    std::ifstream file(path, std::ios::binary);
    if (!file) base::fail_usage("cannot read '{}': no such file, or no permission", path);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  if (text.empty()) base::fail_usage("'{}' holds no text", path);
  return text;
}

}  // namespace tessera::tools
