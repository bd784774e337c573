// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>
#include <fnmatch.h>

#include "base/units.hpp"
#include "checkpoint/statistics.hpp"
#include "json/json.hpp"
#include "text/tokenizer.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

using checkpoint::FileReader;

/// The file, or the newest one that is sound of a folder; newer ones are named on standard error.
FileReader open_newest(const std::string& path) {
  const std::vector<std::string> files = checkpoint::candidates(path);
  for (const std::string& file : files) {
    try {
      return FileReader(file);
    } catch (const checkpoint::DamagedError& error) {
      if (file == files.back()) throw;
      fmt::print(stderr, "warning: {}\n", error.what());
    }
  }
  base::fail_usage("'{}' holds no checkpoint", path);  // candidates() throws if there is none
}

/// Numbers of a tensor, and whether its bytes have its checksum.
struct Shown {
  const FileReader::Tensor* tensor = nullptr;
  checkpoint::Statistics statistics;
  bool is_sound() const { return statistics.sum == tensor->sum; }
};

std::vector<Shown> examine(const FileReader& file, const std::string& pattern) {
  std::vector<Shown> shown;
  for (const FileReader::Tensor& tensor : file.tensors())
    if (::fnmatch(pattern.c_str(), tensor.path.c_str(), 0) == 0)
      shown.push_back({&tensor, checkpoint::statistics_of(file, tensor)});
  if (shown.empty()) base::fail_usage("--tensors '{}' matches none of '{}'", pattern, file.path());
  return shown;
}

std::int64_t num_weights(const FileReader& file) {
  std::int64_t count = 0;
  for (const FileReader::Tensor& tensor : file.tensors())
    if (tensor.path.starts_with("/model/")) count += tensor.num_elements();
  return count;
}

json::Json to_json(const Shown& shown) {
  json::Json shape{json::Array{}}, entry{json::Object{}};
  for (const std::uint64_t extent : shown.tensor->shape) shape.push(extent);
  const checkpoint::Statistics& s = shown.statistics;
  entry.set("path", shown.tensor->path).set("shape", std::move(shape)).set("norm", s.norm).set("mean", s.mean);
  entry.set("min", s.least).set("max", s.most).set("nonfinite", s.num_nonfinite);
  return entry.set("sum64", shown.tensor->sum).set("sound", shown.is_sound());
}

json::Json to_json(const FileReader& file, const text::Tokenizer& tokenizer, const std::vector<Shown>& shown) {
  const checkpoint::RunState& state = file.state();
  json::Json tensors{json::Array{}}, entries{json::Object{}}, object{json::Object{}};
  for (const Shown& one : shown) tensors.push(to_json(one));
  entries.set("kind", tokenizer.kind()).set("vocab", tokenizer.vocab_size());
  entries.set("fingerprint", state.tokenizer_fingerprint);
  object.set("file", file.path()).set("size_bytes", file.file_bytes()).set("format", checkpoint::format_version);
  object.set("step", state.step).set("tokens", state.tokens).set("updates", state.updates).set("skips", state.skips);
  object.set("version", state.version).set("mesh", state.mesh).set("tokenizer", std::move(entries));
  object.set("parameters", num_weights(file)).set("digest", file.digest()).set("optimizer", file.has_optimizer());
  return object.set("tensors", std::move(tensors));
}

std::string count_text(std::int64_t count) {
  return base::format_count(static_cast<std::uint64_t>(count));
}

void print(const FileReader& file, const text::Tokenizer& tokenizer, const std::vector<Shown>& shown) {
  const checkpoint::RunState& state = file.state();
  fmt::print("file        '{}', {}, format {}\n", file.path(), base::format_bytes(file.file_bytes()),
             checkpoint::format_version);
  fmt::print("step        {}: {} updates, {} skipped, {} tokens\n", state.step, state.updates, state.skips,
             count_text(state.tokens));
  fmt::print("written by  {}\nmesh        {}\n", state.version, state.mesh);
  fmt::print("tokenizer   {}, {} entries, fingerprint {}\n", tokenizer.kind(), tokenizer.vocab_size(),
             state.tokenizer_fingerprint);
  fmt::print("weights     {} values, digest {}\n", count_text(num_weights(file)), file.digest());
  fmt::print("optimizer   {}\n\n", file.has_optimizer() ? "yes: a training goes on from it" : "none: weights only");
  std::size_t width = 0;
  for (const Shown& one : shown) width = std::max(width, one.tensor->path.size());
  fmt::print("{:<{}}  {:>14} {:>11} {:>11} {:>11} {:>11} {:>9}  {}\n", "tensor", width, "shape", "norm", "mean", "min",
             "max", "nonfinite", "sum64");
  for (const Shown& one : shown)
    fmt::print("{:<{}}  {:>14} {:>11.4e} {:>11.3e} {:>11.3e} {:>11.3e} {:>9}  {}{}\n", one.tensor->path, width,
               fmt::format("[{}]", fmt::join(one.tensor->shape, ", ")), one.statistics.norm, one.statistics.mean,
               one.statistics.least, one.statistics.most, one.statistics.num_nonfinite, one.tensor->sum,
               one.is_sound() ? "" : " WRONG");
}

}  // namespace

base::ExitCode show_checkpoint(Invocation& invocation) {
  const PlainCall call(invocation, "checkpoint show FILE|RUN",
                       {{"config", false, "print the configuration and nothing else; with --json, with all else"},
                        {"tensors", true, "those whose path matches, as in '/model/blocks.0.*' (all)"},
                        {"json", false, "print one JSON object"}},
                       1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty()) base::fail_usage("tessera checkpoint show needs a checkpoint file or a run folder");
  const FileReader file = open_newest(call.positional().front());
  if (call.has("config") && !call.has("json")) {
    fmt::print("{}", file.state().config);
    return base::ExitCode::done;
  }
  const auto tokenizer = text::deserialize_tokenizer(file.state().tokenizer, file.path() + ":/run/tokenizer");
  const std::vector<Shown> shown = examine(file, call.text("tensors", "*"));
  if (call.has("json")) {
    json::Json object = to_json(file, *tokenizer, shown);
    if (call.has("config")) object.set("config", file.state().config);
    fmt::print("{}\n", object.dump());
  } else {
    print(file, *tokenizer, shown);
  }
  base::ExitCode code = base::ExitCode::done;
  for (const Shown& one : shown) {
    if (one.is_sound()) continue;
    fmt::print(stderr, "warning: '{}': {} has a wrong checksum\n", file.path(), one.tensor->path);
    code = base::ExitCode::failed;
  }
  return code;
}

}  // namespace tessera::tools
