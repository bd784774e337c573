// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/ranges.h>
#include <limits>
#include <map>

#include "checkpoint/average.hpp"
#include "checkpoint/files.hpp"
#include "config/parse.hpp"
#include "config/print.hpp"
#include "json/json.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;
using checkpoint::FileReader;

std::vector<double> shares_of(const PlainCall& call, std::size_t num_files) {
  if (!call.has("weights")) return std::vector<double>(num_files, 1.0);
  const std::string text = call.text("weights", "");
  std::vector<double> shares;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    std::size_t used = 0;
    double share = 0;
    try {
      share = std::stod(part, &used);
    } catch (const std::exception&) {
      used = 0;
    }
    constexpr double kMost = 1e9;
    if (used == 0 || used != part.size() || !(share >= 1 / kMost && share <= kMost))
      base::fail_usage("--weights '{}': '{}' is not a number from {} to {}", text, part, 1 / kMost, kMost);
    shares.push_back(share);
    at = end + 1;
  }
  if (shares.size() != num_files)
    base::fail_usage("--weights '{}' has {} number(s) for {} file(s): give one for each", text, shares.size(),
                     num_files);
  return shares;
}

/// Keys that tell models of equal shapes apart, such as the number of heads.
std::map<std::string, std::string> model_keys(const FileReader& file) {
  std::map<std::string, std::string> keys =
      config::key_values(config::parse_text(file.state().config, file.path() + ":/run/config"));
  std::erase_if(keys,
                [](const auto& entry) { return !entry.first.starts_with("model.") || entry.first == "model.dropout"; });
  return keys;
}

void require_one_model(const std::vector<FileReader>& files) {
  const std::map<std::string, std::string> keys = model_keys(files.front());
  std::string problems;
  for (const FileReader& file : files) {
    std::vector<std::string> lines = checkpoint::model_differences(files.front(), file);
    for (const auto& [key, value] : model_keys(file))
      if (keys.at(key) != value) lines.push_back(fmt::format("{} = {}, not {}", key, value, keys.at(key)));
    for (const std::string& line : lines) problems += fmt::format("\n  '{}': {}", file.path(), line);
  }
  if (!problems.empty())
    base::fail_usage(
        "these are not checkpoints of one model with one tokenizer, as '{}' is the first:{}\nName files "
        "of one run, or of runs of one configuration",
        files.front().path(), problems);
}

std::string output_of(const PlainCall& call, std::int64_t step) {
  const std::string output = call.required("output");
  if (fs::exists(fs::symlink_status(output)))
    base::fail_usage("--output '{}' exists: name another file, or move it away", output);
  const auto named = checkpoint::step_of(fs::path(output).filename().string());
  if (named && *named != step)
    base::fail_usage("--output '{}' has the name of step {}, the weights are of step {}: name it '{}', or otherwise",
                     output, *named, step, fs::path(checkpoint::file_name("", step)).filename().string());
  return output;
}

}  // namespace

base::ExitCode average_checkpoints(Invocation& invocation) {
  const PlainCall call(invocation, "checkpoint average FILE...",
                       {{"output", true, "file to write (.h5): weights only, with the configuration of the newest"},
                        {"weights", true, "how much each file counts, as in 1,1,2 (all the same)"},
                        {"json", false, "print one JSON object"}},
                       std::numeric_limits<std::size_t>::max());
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty()) base::fail_usage("tessera checkpoint average needs checkpoint files");
  const std::vector<double> shares = shares_of(call, call.positional().size());
  std::vector<FileReader> files;
  for (const std::string& path : call.positional()) {
    if (fs::is_directory(path)) base::fail_usage("'{}' is a folder: name the files, as in {}/step-*.h5", path, path);
    files.emplace_back(path);
  }
  require_one_model(files);
  const FileReader& newest =
      *std::max_element(files.begin(), files.end(),
                        [](const FileReader& a, const FileReader& b) { return a.state().step < b.state().step; });
  checkpoint::RunState state = newest.state();
  const std::string output = output_of(call, state.step);
  std::vector<std::int64_t> steps;
  for (const FileReader& file : files) steps.push_back(file.state().step);
  state.mesh = fmt::format("average of step {}", fmt::join(steps, ", "));
  checkpoint::write_average(output, state, files, shares);
  const FileReader written(output);
  if (call.has("json")) {
    json::Json list{json::Array{}}, object{json::Object{}};
    for (const std::int64_t step : steps) list.push(step);
    object.set("output", output).set("step", state.step).set("steps", std::move(list));
    object.set("digest", written.digest()).set("size_bytes", written.file_bytes());
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  fmt::print("'{}': {}, step {}, digest {}, weights only\n", output, state.mesh, state.step, written.digest());
  return base::ExitCode::done;
}

}  // namespace tessera::tools
