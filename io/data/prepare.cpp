// SPDX-License-Identifier: Apache-2.0
#include "data/prepare.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>

#include "base/error.hpp"
#include "data/split.hpp"
#include "data/text_pieces.hpp"
#include "data/token_file.hpp"
#include "data/token_writer.hpp"
#include "text/parallel_encoder.hpp"
#include "text/utf8.hpp"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

/// Reads the pieces of one input. Standard input can be read once only, so it is kept when two passes need it.
class Input {
 public:
  Input(std::string path, bool read_twice) : path_(std::move(path)) {
    if (path_ != "-" || !read_twice) return;
    kept_.assign(std::istreambuf_iterator<char>(std::cin), {});
    is_kept_ = true;
  }
  const std::string& path() const { return path_; }
  std::string name() const { return path_ == "-" ? "standard input" : "'" + path_ + "'"; }

  std::uint64_t for_each(const std::function<void(std::string_view, std::uint64_t)>& visit) const {
    if (!is_kept_) return for_each_piece(path_, visit);
    if (!kept_.empty()) visit(kept_, 0);
    return kept_.size();
  }

 private:
  std::string path_, kept_;
  bool is_kept_ = false;
};

/// A text that holds every character of the inputs once: all that the characters tokenizer needs to know.
std::string distinct_characters(const std::vector<Input>& inputs) {
  std::set<char32_t> characters;
  for (const Input& input : inputs) {
    input.for_each([&](std::string_view piece, std::uint64_t offset) {
      for (std::size_t at = 0; at < piece.size();) {
        const text::CodePoint point = text::read_code_point(piece, at);
        if (point.num_bytes == 0)
          base::fail_usage(
              "{} is not UTF-8: byte {} (0x{:02x}) starts no character. Convert the text to UTF-8, or use the "
              "tokenizer "
              "bytes or a BPE, which take any bytes",
              input.name(), offset + at, static_cast<unsigned char>(piece[at]));
        characters.insert(point.value);
        at += point.num_bytes;
      }
    });
  }
  std::string sample;
  for (const char32_t character : characters) text::append_utf8(character, sample);
  if (sample.empty()) base::fail_usage("the inputs hold no text");
  return sample;
}

std::unique_ptr<text::Tokenizer> choose_tokenizer(const std::string& name, const std::vector<Input>& inputs) {
  return name == "characters" ? text::characters_tokenizer(distinct_characters(inputs)) : open_tokenizer(name);
}

/// Encodes one document behind what is in the spool. Returns its bytes.
std::uint64_t encode_document(const Input& input, text::ParallelEncoder& encoder, text::TokenId end_token,
                              TokenSpool& spool) {
  const std::uint64_t bytes = input.for_each([&](std::string_view piece, std::uint64_t offset) {
    const std::vector<std::vector<text::TokenId>>* parts = nullptr;
    try {
      parts = &encoder.encode(piece);
    } catch (const base::UsageError& error) {
      base::fail_usage("{}{}: {}", input.name(), offset ? fmt::format(", counted from byte {}", offset) : "",
                       error.what());
    }
    for (const std::vector<text::TokenId>& ids : *parts) spool.append(ids);
  });
  if (bytes == 0) base::fail_usage("{} holds no text: leave it out", input.name());
  spool.append({end_token});
  return bytes;
}

void check(const PrepareOptions& options) {
  if (options.output.empty()) base::fail_usage("--output is missing: name the token file to write");
  if (options.valid_fraction > 0 && options.valid_output.empty())
    base::fail_usage("--valid-fraction = {} needs --valid-output, the token file for the held-out part",
                     options.valid_fraction);
  if (options.valid_fraction == 0 && !options.valid_output.empty())
    base::fail_usage("--valid-output '{}' needs --valid-fraction, e.g. 0.1", options.valid_output);
  if (!options.valid_output.empty() &&
      fs::weakly_canonical(options.valid_output) == fs::weakly_canonical(options.output))
    base::fail_usage("--output and --valid-output are both '{}': name two files", options.output);
}

}  // namespace

std::vector<std::string> expand_inputs(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    if (input == "-") {
      if (inputs.size() > 1) base::fail_usage("'-' (standard input) must be the only input");
      return {input};
    }
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      if (!fs::exists(input, error)) base::fail_usage("input '{}' does not exist: check the path", input);
      files.push_back(input);
      continue;
    }
    std::vector<std::string> found;
    for (auto entry = fs::recursive_directory_iterator(input); entry != fs::recursive_directory_iterator(); ++entry) {
      const bool hidden = entry->path().filename().string().starts_with('.');
      if (hidden && entry->is_directory()) entry.disable_recursion_pending();
      if (!hidden && entry->is_regular_file() && entry->file_size() > 0) found.push_back(entry->path().string());
    }
    if (found.empty()) base::fail_usage("input '{}' is a folder without text files", input);
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

PrepareReport prepare(const PrepareOptions& options) {
  check(options);
  std::vector<Input> inputs;
  for (std::string& path : expand_inputs(options.inputs))
    inputs.emplace_back(std::move(path), options.tokenizer == "characters");
  const std::unique_ptr<text::Tokenizer> tokenizer = choose_tokenizer(options.tokenizer, inputs);

  TokenSpool spool(options.output);
  text::ParallelEncoder encoder(*tokenizer, options.threads);
  PrepareReport report;
  std::vector<std::uint64_t> documents;
  for (const Input& input : inputs) {
    documents.push_back(static_cast<std::uint64_t>(spool.size()));
    report.text_bytes += encode_document(input, encoder, tokenizer->end_token(), spool);
  }
  report.documents = static_cast<std::int64_t>(documents.size());
  report.tokens = spool.size();
  report.vocab = tokenizer->vocab_size();
  report.tokenizer_kind = tokenizer->kind();

  const std::int64_t split = held_out_start(spool.size(), options.valid_fraction);
  if (split < 1)
    base::fail_usage("--valid-fraction = {} leaves nothing of {} tokens to train on", options.valid_fraction,
                     spool.size());
  write_token_file(options.output, spool, 0, split, documents, *tokenizer);
  if (split < spool.size()) write_token_file(options.valid_output, spool, split, spool.size(), documents, *tokenizer);
  return report;
}

}  // namespace tessera::data
