// SPDX-License-Identifier: Apache-2.0
#include "data/prepare.hpp"

#include <filesystem>
#include <iostream>
#include <iterator>
#include <set>

#include "base/error.hpp"
#include "data/paths.hpp"
#include "data/split.hpp"
#include "data/text_pieces.hpp"
#include "data/token_file.hpp"
#include "data/token_writer.hpp"
#include "text/parallel_encoder.hpp"
#include "text/utf8.hpp"

namespace tessera::data {
namespace {

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

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

void check(const PrepareOptions& options, const InputFiles& files) {
  if (options.output.empty()) base::fail_usage("--output is missing: name the token file to write");
  if (options.valid_fraction > 0 && options.valid_output.empty())
    base::fail_usage("--valid-fraction = {} needs --valid-output, the token file for the held-out part",
                     options.valid_fraction);
  if (options.valid_fraction == 0 && !options.valid_output.empty())
    base::fail_usage("--valid-output '{}' needs --valid-fraction, e.g. 0.1", options.valid_output);
  check_output("--output", options.output, options.inputs, files);
  if (is_same_file(options.output, options.tokenizer) || is_same_file(folder_of(options.output), options.tokenizer))
    base::fail_usage("--output '{}' would write over the tokenizer, or into its folder: name another file",
                     options.output);
  if (options.valid_output.empty()) return;
  check_output("--valid-output", options.valid_output, options.inputs, files);
  if (is_same_file(options.valid_output, options.tokenizer) ||
      is_same_file(folder_of(options.valid_output), options.tokenizer))
    base::fail_usage("--valid-output '{}' would write over the tokenizer, or into its folder: name another file",
                     options.valid_output);
  if (is_same_file(options.valid_output, options.output))
    base::fail_usage("--output '{}' and --valid-output '{}' are the same file: name two", options.output,
                     options.valid_output);
}

}  // namespace

PrepareReport prepare(const PrepareOptions& options) {
  const InputFiles files = expand_inputs(options.inputs);
  check(options, files);
  std::vector<Input> inputs;
  for (const std::string& path : files.paths) inputs.emplace_back(path, options.tokenizer == "characters");
  const std::unique_ptr<text::Tokenizer> tokenizer = choose_tokenizer(options.tokenizer, inputs);

  TokenSpool spool(options.output);
  text::ParallelEncoder encoder(*tokenizer, options.threads);
  PrepareReport report;
  report.empty_files = files.num_empty;
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
