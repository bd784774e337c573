// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "base/stopwatch.hpp"
#include "base/units.hpp"
#include "data/paths.hpp"
#include "data/prepare.hpp"
#include "data/text_pieces.hpp"
#include "data/token_file.hpp"
#include "json/json.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/encode.hpp"
#include "tools/text_input.hpp"

namespace tessera::tools {
namespace {

const char* const kUsage =
    "Usage: tessera data prepare --input F... --tokenizer bytes|characters|PATH --output F.h5\n"
    "       tessera data inspect FILE.h5\n"
    "       tessera data train-tokenizer --input F... --vocab N --output T\n"
    "       tessera data encode --tokenizer T [--jsonl]    lines of text to JSON arrays of ids\n"
    "       tessera data decode --tokenizer T [--jsonl]    and back\n";

/// How fast a command went through its text.
struct Speed {
  double seconds = 0, megabytes_per_second = 0;  // 10^6 bytes
  std::string text() const { return fmt::format("{:.2f} s, {:.1f} MB/s", seconds, megabytes_per_second); }
};

Speed speed_since(base::Clock::time_point start, std::uint64_t text_bytes) {
  const double seconds = base::seconds_since(start);
  return {seconds, static_cast<double>(text_bytes) / 1e6 / std::max(seconds, 1e-9)};
}

constexpr std::size_t kMostInputs = std::numeric_limits<std::size_t>::max();

/// --input takes several values: `--input a b c` leaves b and c positional.
std::vector<std::string> inputs_of(const PlainCall& call) {
  std::vector<std::string> inputs = call.all("input");
  inputs.insert(inputs.end(), call.positional().begin(), call.positional().end());
  if (inputs.empty()) base::fail_usage("--input is missing: give text files, folders, or '-' for standard input");
  return inputs;
}

base::ExitCode prepare(Invocation& invocation) {
  const PlainCall call(
      invocation, "data prepare",
      {{"input", true, "text files, folders, or '-' for standard input; each file is a document", true},
       {"tokenizer", true, "bytes, characters, a tokenizer file or folder, or a token file"},
       {"output", true, "token file to write (.h5)"},
       {"valid-fraction", true, "last part of the text to hold out, e.g. 0.1"},
       {"valid-output", true, "token file for the held-out part"},
       {"threads", true, "auto or a number; the files are the same for any"},
       {"json", false, "print one JSON object"}},
      kMostInputs);
  if (call.help_shown()) return base::ExitCode::done;
  data::PrepareOptions options;
  options.inputs = inputs_of(call);
  options.tokenizer = call.required("tokenizer");
  options.output = call.required("output");
  options.valid_fraction = call.number("valid-fraction", 0.0, 0.0, 0.999);
  options.valid_output = call.text("valid-output", "");
  options.threads = call.threads(invocation);
  const auto start = base::Clock::now();
  const data::PrepareReport report = data::prepare(options);
  const Speed speed = speed_since(start, report.text_bytes);
  if (call.has("json")) {
    json::Json object{json::Object{}};
    object.set("output", options.output).set("documents", report.documents).set("tokens", report.tokens);
    object.set("vocab", report.vocab).set("text_bytes", report.text_bytes).set("tokenizer", report.tokenizer_kind);
    object.set("empty_files", report.empty_files);
    object.set("threads", options.threads)
        .set("seconds", speed.seconds)
        .set("megabytes_per_second", speed.megabytes_per_second);
    fmt::print("{}\n", object.dump());
  } else {
    fmt::print("'{}': {} tokens of {} documents, {} of text, {} tokenizer with {} entries, {}\n", options.output,
               base::format_count(static_cast<std::uint64_t>(report.tokens)), report.documents,
               base::format_bytes(report.text_bytes), report.tokenizer_kind, report.vocab, speed.text());
    if (report.empty_files > 0) fmt::print("{} empty file(s) left out\n", report.empty_files);
  }
  return base::ExitCode::done;
}

base::ExitCode inspect(Invocation& invocation) {
  const PlainCall call(invocation, "data inspect FILE.h5", {{"json", false, "print one JSON object"}}, 1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().size() != 1) base::fail_usage("tessera data inspect needs one token file");
  const data::TokenFile file = data::TokenFile::open(call.positional().front());
  const auto tokenizer = file.tokenizer();
  std::vector<std::int32_t> ids(static_cast<std::size_t>(std::min<std::int64_t>(64, file.num_tokens())));
  file.read(0, static_cast<std::int64_t>(ids.size()), ids.data());
  const std::string beginning = tokenizer->decode(ids);
  if (call.has("json")) {
    json::Json object{json::Object{}};
    object.set("path", file.path()).set("tokens", file.num_tokens());
    object.set("documents", static_cast<std::int64_t>(file.documents().size())).set("vocab", file.vocab_size());
    object.set("text_bytes", file.text_bytes()).set("tokenizer", tokenizer->kind());
    object.set("fingerprint", file.fingerprint()).set("beginning", beginning);
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  fmt::print("tokens      {}\ndocuments   {}\ntext        {}\n",
             base::format_count(static_cast<std::uint64_t>(file.num_tokens())), file.documents().size(),
             base::format_bytes(file.text_bytes()));
  fmt::print("tokenizer   {}, {} entries, fingerprint {}\nbegins      {}\n", tokenizer->kind(), file.vocab_size(),
             file.fingerprint(), json::Json(beginning).dump());
  return base::ExitCode::done;
}

base::ExitCode train_tokenizer(Invocation& invocation) {
  const PlainCall call(invocation, "data train-tokenizer",
                       {{"input", true, "text files, or '-' for standard input", true},
                        {"vocab", true, "entries: 256 bytes, merges, and the end token"},
                        {"output", true, "tokenizer file to write"},
                        {"threads", true, "auto or a number; the tokenizer is the same for any"},
                        {"json", false, "print one JSON object"}},
                       kMostInputs);
  if (call.help_shown()) return base::ExitCode::done;
  const std::vector<std::string> inputs = inputs_of(call);
  const data::InputFiles files = data::expand_inputs(inputs);
  const std::string output = call.required("output");
  data::check_output("--output", output, inputs, files);
  call.required("vocab");
  const int threads = call.threads(invocation);
  const auto start = base::Clock::now();
  text::BpeTrainer trainer(call.count("vocab", 0), threads);
  std::uint64_t text_bytes = 0;
  for (const std::string& path : files.paths) {
    const std::uint64_t bytes = data::for_each_piece(path, [&](std::string_view text, auto) { trainer.add(text); });
    if (bytes == 0) base::fail_usage("'{}' holds no text", path);
    text_bytes += bytes;
  }
  const auto tokenizer = trainer.train();
  text::save_tokenizer(*tokenizer, output);
  const Speed speed = speed_since(start, text_bytes);
  if (call.has("json")) {
    json::Json object{json::Object{}};
    object.set("output", output).set("vocab", tokenizer->vocab_size()).set("text_bytes", text_bytes);
    object.set("fingerprint", tokenizer->fingerprint()).set("threads", threads);
    object.set("seconds", speed.seconds).set("megabytes_per_second", speed.megabytes_per_second);
    fmt::print("{}\n", object.dump());
  } else {
    fmt::print("'{}': byte-level BPE with {} entries from {}, fingerprint {}, {}\n", output, tokenizer->vocab_size(),
               base::format_bytes(text_bytes), tokenizer->fingerprint(), speed.text());
  }
  return base::ExitCode::done;
}

base::ExitCode choose_action(Invocation& invocation) {
  const std::string action = invocation.arguments.empty() ? "" : invocation.arguments.front();
  if (!action.empty()) invocation.arguments.erase(invocation.arguments.begin());
  if (action == "prepare") return prepare(invocation);
  if (action == "inspect") return inspect(invocation);
  if (action == "train-tokenizer") return train_tokenizer(invocation);
  if (action == "encode") return encode_lines(invocation);
  if (action == "decode") return decode_lines(invocation);
  if (action == "--help" || action == "-h") {
    fmt::print("{}", kUsage);
    return base::ExitCode::done;
  }
  base::fail_usage("tessera data: '{}' is not one of prepare, inspect, train-tokenizer, encode, decode\n{}", action,
                   kUsage);
}

}  // namespace

base::ExitCode run_data(Invocation& invocation) {
  return on_root(invocation, [&] { return choose_action(invocation); });  // files are written once
}

}  // namespace tessera::tools
