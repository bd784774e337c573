// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fmt/core.h>
#include <limits>

#include "base/stopwatch.hpp"
#include "base/units.hpp"
#include "json/json.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"

namespace tessera::tools {
namespace {

/// A file that was checked.
struct Checked {
  std::string path;
  checkpoint::Verdict verdict;
  double seconds = 0;
};

std::vector<std::string> files_of(const PlainCall& call) {
  if (call.positional().empty()) base::fail_usage("tessera checkpoint verify needs a file, a folder or a run folder");
  std::vector<std::string> files;
  for (const std::string& path : call.positional())
    for (const std::string& file : checkpoint::candidates(path)) {
      if (!std::filesystem::is_regular_file(file)) base::fail_usage("'{}' is no regular file", file);
      files.push_back(file);
    }
  return files;
}

Checked check(const std::string& path) {
  std::fflush(nullptr);
  const auto start = base::Clock::now();
  const checkpoint::Limits limits = checkpoint::limits_for(std::filesystem::file_size(path));
  Checked checked{path, checkpoint::verify_guarded(path, inspect_model, limits), 0};
  checked.seconds = base::seconds_since(start);
  return checked;
}

json::Json to_json(const Checked& checked) {
  const checkpoint::Verdict& verdict = checked.verdict;
  json::Json problems{json::Array{}}, datasets{json::Array{}}, entry{json::Object{}};
  for (const checkpoint::Problem& problem : verdict.problems) {
    problems.push(describe(problem));
    if (!problem.dataset.empty()) datasets.push(problem.dataset);
  }
  entry.set("file", checked.path).set("verdict", checkpoint::name_of(verdict.condition)).set("step", verdict.step);
  entry.set("tensors", verdict.num_tensors).set("size_bytes", verdict.file_bytes).set("seconds", checked.seconds);
  entry.set("problems", std::move(problems)).set("datasets", std::move(datasets));
  return entry;
}

void print(const Checked& checked) {
  const checkpoint::Verdict& verdict = checked.verdict;
  fmt::print("'{}': {}", checked.path, checkpoint::name_of(verdict.condition));
  if (verdict.condition == checkpoint::Condition::sound)
    fmt::print(", step {}, {} tensors, {} in {:.2f} s", verdict.step, verdict.num_tensors,
               base::format_bytes(verdict.file_bytes), checked.seconds);
  fmt::print("\n");
  for (const checkpoint::Problem& problem : verdict.problems) fmt::print("  {}\n", describe(problem));
}

}  // namespace

std::optional<base::ExitCode> verify_checkpoints(const std::vector<std::string>& arguments) {
  if (!is_first_process()) return base::ExitCode::done;
  const PlainCall call(arguments, true, "checkpoint verify FILE|DIR|RUN...", {{"json", false, "print one JSON object"}},
                       std::numeric_limits<std::size_t>::max());
  if (call.help_shown()) return base::ExitCode::done;
  json::Json list{json::Array{}};
  bool all_sound = true;
  for (const std::string& file : files_of(call)) {
    const Checked checked = check(file);
    all_sound = all_sound && checked.verdict.condition == checkpoint::Condition::sound;
    if (call.has("json"))
      list.push(to_json(checked));
    else
      print(checked);
  }
  if (call.has("json")) {
    json::Json object{json::Object{}};
    fmt::print("{}\n", object.set("sound", all_sound).set("files", std::move(list)).dump());
  }
  return all_sound ? base::ExitCode::done : base::ExitCode::failed;
}

}  // namespace tessera::tools
