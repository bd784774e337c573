// SPDX-License-Identifier: Apache-2.0
#include "tools/encode.hpp"

#include <fmt/core.h>
#include <iostream>

#include "data/token_file.hpp"
#include "json/json.hpp"
#include "text/utf8.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

/// Ids of one JSON array, each checked before it is narrowed to the type of ids.
std::vector<text::TokenId> parse_ids(const std::string& line, const text::Tokenizer& tokenizer) {
  std::vector<text::TokenId> ids;
  const json::Json list = json::parse(line, "JSON");
  for (const json::Json& element : list.as_array()) {
    if (!element.is_int()) base::fail_usage("{} is not a token id, a whole number", element.dump());
    const std::int64_t id = element.as_int();
    if (id < 0 || id >= tokenizer.vocab_size())
      base::fail_usage("id {} is not in the vocabulary, which goes from 0 to {}", id, tokenizer.vocab_size() - 1);
    ids.push_back(static_cast<text::TokenId>(id));
  }
  return ids;
}

std::string to_json_string(const std::string& text) {
  const std::size_t sound = text::well_formed_length(text, 0);
  if (sound < text.size())
    base::fail_usage(
        "the tokens mean bytes that are not UTF-8 (byte {} is 0x{:02x}), which JSON cannot hold: decode without "
        "--jsonl",
        sound, static_cast<unsigned char>(text[sound]));
  return json::Json(text).dump();
}

std::string decode_line(const std::string& line, const text::Tokenizer& tokenizer, bool jsonl) {
  const std::string text = tokenizer.decode(parse_ids(line, tokenizer));
  return jsonl ? to_json_string(text) : text;
}

std::string encode_line(const std::string& line, const text::Tokenizer& tokenizer, bool jsonl) {
  json::Json ids{json::Array{}};
  for (const text::TokenId id : tokenizer.encode(jsonl ? json::parse(line, "JSON").as_string() : line))
    ids.push(static_cast<std::int64_t>(id));
  return ids.dump();
}

base::ExitCode for_each_line(Invocation& invocation, const char* command,
                             std::string (*convert)(const std::string&, const text::Tokenizer&, bool)) {
  const PlainCall call(invocation, command,
                       {{"tokenizer", true, "bytes, a tokenizer file or folder, or a token file"},
                        {"jsonl", false, "the text side is JSON strings, one a line"}});
  if (call.help_shown()) return base::ExitCode::done;
  const auto tokenizer = data::open_tokenizer(call.required("tokenizer"));
  std::int64_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    try {
      fmt::print("{}\n", convert(line, *tokenizer, call.has("jsonl")));
    } catch (const base::Error& error) {
      base::fail_usage("standard input, line {}: {}", number, error.what());
    }
  }
  return base::ExitCode::done;
}

}  // namespace

base::ExitCode encode_lines(Invocation& invocation) {
  return for_each_line(invocation, "data encode", encode_line);
}

base::ExitCode decode_lines(Invocation& invocation) {
  return for_each_line(invocation, "data decode", decode_line);
}

}  // namespace tessera::tools
