// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>

#include "base/units.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/option_values.hpp"
#include "convert/export.hpp"
#include "json/json.hpp"
#include "text/tokenizer.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

std::uint64_t shard_bytes(const PlainCall& call) {
  const std::string text = call.text("max-shard", "5GB"), rule = "a size of at least 1 byte, as in 5GB or 500MiB";
  const std::int64_t bytes = config::parse_or_refuse("--max-shard", text, rule,
                                                     [](const std::string& value) { return base::parse_bytes(value); });
  if (bytes < 1) config::refuse("--max-shard", text, rule);
  return static_cast<std::uint64_t>(bytes);
}

void print_json(const convert::ExportOptions& options, const convert::ExportReport& report) {
  json::Json object{json::Object{}}, files{json::Array{}};
  for (const std::string& file : report.files) files.push(file);
  object.set("output", options.folder).set("checkpoint", options.checkpoint).set("step", report.step);
  object.set("tensors", report.num_tensors).set("bytes", report.tensor_bytes).set("digest", report.digest);
  object.set("tokenizer", report.tokenizer_kind).set("hugging_face_tokenizer", !report.own_tokenizer_file);
  fmt::print("{}\n", object.set("files", std::move(files)).dump());
}

void print_text(const convert::ExportOptions& options, const convert::ExportReport& report) {
  fmt::print("'{}': step {} of '{}' as GPT-2 of Hugging Face, {} tensors, {}, digest {}\n", options.folder, report.step,
             options.checkpoint, report.num_tensors, base::format_bytes(report.tensor_bytes), report.digest);
  fmt::print("files: {}\n", fmt::join(report.files, ", "));
  if (report.own_tokenizer_file)
    fmt::print(
        "a {} tokenizer has no Hugging Face form: it is in {}, which `tessera checkpoint import` reads, and "
        "transformers does not\n",
        report.tokenizer_kind, text::own_file_name);
}

}  // namespace

base::ExitCode export_checkpoint(Invocation& invocation) {
  const PlainCall call(invocation, "checkpoint export CHECKPOINT",
                       {{"to", true, "form of the output: safetensors, a GPT-2 as Hugging Face has it"},
                        {"output", true, "folder to write, new or empty"},
                        {"max-shard", true, "most bytes of tensors in a file (5GB); a larger tensor has its own"},
                        {"json", false, "print one JSON object"}},
                       1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty())
    base::fail_usage(
        "tessera checkpoint export needs a checkpoint: a file, a folder of them, or a run folder (newest)");
  if (const std::string form = call.required("to"); form != "safetensors")
    config::refuse("--to", form, "safetensors, the one form there is");
  convert::ExportOptions options;
  options.folder = call.required("output");
  options.max_shard_bytes = shard_bytes(call);
  options.checkpoint = checkpoint::candidates(call.positional().front()).front();
  const convert::ExportReport report = convert::export_gpt2(options);
  if (call.has("json"))
    print_json(options, report);
  else
    print_text(options, report);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
