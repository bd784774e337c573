// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fmt/core.h>

#include "base/units.hpp"
#include "checkpoint/checkpoint.hpp"
#include "config/option_values.hpp"
#include "config/print.hpp"
#include "convert/import.hpp"
#include "data/token_file.hpp"
#include "json/json.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

/// Keys that a GPT-2 may have: its layers are all dense.
std::vector<std::string> model_keys() {
  std::vector<std::string> keys;
  for (const config::Option& option : config::options())
    if (option.key.starts_with("model.") && option.key != "model.attention" && option.key != "model.window")
      keys.push_back(option.key);
  return keys;
}

std::vector<config::Flag> flags() {
  std::vector<config::Flag> flags = {
      {"from", true, "form of the input: safetensors, a GPT-2 as Hugging Face has it"},
      {"output", true, "checkpoint file to write (.h5), or a folder for step-00000000.h5"},
      {"tokenizer", true, "bytes, a tokenizer file or folder, or a token file; default: the one in DIR"},
      {"json", false, "print one JSON object"}};
  for (const std::string& key : model_keys())
    flags.push_back({key, true, config::find_option(key)->help + "; must be what DIR says of it, if anything"});
  return flags;
}

/// A folder that holds checkpoints would take the new one for its oldest.
std::string output_file(const std::string& output) {
  if (output.ends_with(".h5") && !fs::is_directory(output)) return output;
  if (const std::vector<std::string> others = checkpoint::list_newest_first(output); !others.empty())
    base::fail_usage("'{}' holds checkpoints, '{}' among them: name another folder, or a file", output, others.front());
  return checkpoint::file_name(output, 0);
}

std::unique_ptr<text::Tokenizer> tokenizer_of(const PlainCall& call, const std::string& folder) {
  if (call.has("tokenizer")) return data::open_tokenizer(call.required("tokenizer"));
  if (const std::string file = text::find_tokenizer(folder); !file.empty()) return text::load_tokenizer(file);
  base::fail_usage(
      "'{}' holds no tokenizer (tokenizer.json, vocab.json with merges.txt, or {}): give the model's own with "
      "--tokenizer PATH, or bytes if the model is only used with ids",
      folder, text::own_file_name);
}

void print_json(const convert::ImportOptions& options, const convert::ImportReport& report) {
  const config::ModelConfig& m = report.model;
  json::Json object{json::Object{}}, model{json::Object{}}, assumptions{json::Array{}};
  model.set("layers", m.layers).set("hidden", m.hidden).set("heads", m.heads).set("context", m.context);
  model.set("vocab", m.vocab).set("activation", m.activation).set("dropout", m.dropout).set("tied_head", m.tied_head);
  for (const std::string& assumption : report.assumptions) assumptions.push(assumption);
  object.set("output", options.output).set("tensors", report.num_tensors).set("parameters", report.num_parameters);
  object.set("digest", report.digest).set("model", std::move(model));
  fmt::print("{}\n", object.set("assumptions", std::move(assumptions)).dump());
}

void print_text(const convert::ImportOptions& options, const convert::ImportReport& report,
                const text::Tokenizer& tokenizer) {
  fmt::print("'{}': {}\n", options.output, config::describe(report.model));
  fmt::print("{} parameters of {} tensors, digest {}; {} tokenizer with {} entries\n",
             base::format_count(report.num_parameters), report.num_tensors, report.digest, tokenizer.kind(),
             tokenizer.vocab_size());
  for (const std::string& assumption : report.assumptions) fmt::print("assumed: {}\n", assumption);
}

}  // namespace

base::ExitCode import_checkpoint(Invocation& invocation) {
  const PlainCall call(invocation, "checkpoint import DIR", flags(), 1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty())
    base::fail_usage("tessera checkpoint import needs a folder with model.safetensors, or with an index and its files");
  if (const std::string form = call.required("from"); form != "safetensors")
    config::refuse("--from", form, "safetensors, the one form there is");
  convert::ImportOptions options;
  options.folder = call.positional().front();
  if (!fs::is_directory(options.folder)) base::fail_usage("'{}' is no folder: check the path", options.folder);
  options.output = output_file(call.required("output"));
  for (const std::string& key : model_keys())
    if (call.has(key)) options.claims.push_back({key, call.required(key), "--" + key});
  options.version = version_line(tensor::Device(1));
  const auto tokenizer = tokenizer_of(call, options.folder);
  const convert::ImportReport report = convert::import_gpt2(options, *tokenizer);
  if (call.has("json"))
    print_json(options, report);
  else
    print_text(options, report, *tokenizer);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
