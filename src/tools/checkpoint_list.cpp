// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fmt/core.h>
#include <sys/stat.h>

#include "base/units.hpp"
#include "checkpoint/files.hpp"
#include "config/parse.hpp"
#include "json/json.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

struct Entry {
  std::string path;
  std::string state;   // "valid", "damaged", "unreadable", "set aside", "unfinished"
  std::string reason;  // why it is not valid
  std::int64_t step = 0;
  std::uint64_t size_bytes = 0;
  std::time_t changed = 0;
  checkpoint::RunState run;  // of a valid one
  bool has_optimizer = false, is_kept = false;

  bool is_valid() const { return state == "valid"; }
  std::string name() const { return fs::path(path).filename().string(); }
};

/// `format` is of strftime.
std::string time_text(std::time_t time, std::tm* (*convert)(const std::time_t*, std::tm*), const char* format) {
  std::tm parts{};
  char text[64] = {};
  if (convert(&time, &parts)) std::strftime(text, sizeof text, format, &parts);
  return text;
}

Entry examine_remnant(const checkpoint::Remnant& remnant) {
  Entry entry;
  entry.path = remnant.path;
  entry.step = remnant.step;
  entry.state = remnant.is_aside ? "set aside" : "unfinished";
  entry.reason = remnant.is_aside ? "it was damaged; nothing reads it"
                                  : "a save in flight, or what one that was cut off left: the next start removes it";
  return entry;
}

/// Quick: first block, metadata, and what HDF5 makes of them. Deep: all that verify checks.
Entry examine(const std::string& path, bool deep) {
  Entry entry;
  entry.path = path;
  const checkpoint::Inspection keep_facts = [&](const checkpoint::FileReader& file) {
    entry.run = file.state();
    entry.has_optimizer = file.has_optimizer();
    return deep ? inspect_model(file) : std::vector<checkpoint::Problem>{};
  };
  const checkpoint::Verdict verdict =
      checkpoint::verify(path, keep_facts, deep ? checkpoint::Depth::all : checkpoint::Depth::metadata);
  entry.state = verdict.problems.empty() ? "valid" : checkpoint::name_of(verdict.condition);
  for (const checkpoint::Problem& problem : verdict.problems)
    entry.reason += (entry.reason.empty() ? "" : "; ") + describe(problem);
  return entry;
}

/// checkpoint.keep_every of a run; 0 if its text is of a version with other keys.
std::int64_t keep_every_of(const Entry& newest) {
  try {
    return config::parse_text(newest.run.config, newest.path).checkpoint.keep_every;
  } catch (const base::Error&) {
    return 0;
  }
}

/// Newest first.
std::vector<Entry> list(const std::string& dir, bool deep) {
  std::vector<Entry> entries;
  for (const std::string& path : checkpoint::list_newest_first(dir)) {
    entries.push_back(examine(path, deep));
    entries.back().step = *checkpoint::step_of(entries.back().name());
  }
  const auto newest = std::find_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.is_valid(); });
  const std::int64_t keep_every = newest == entries.end() ? 0 : keep_every_of(*newest);
  for (Entry& entry : entries) entry.is_kept = entry.is_valid() && keep_every > 0 && entry.step % keep_every == 0;
  for (const checkpoint::Remnant& remnant : checkpoint::list_remnants(dir)) entries.push_back(examine_remnant(remnant));
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.step > b.step; });
  for (Entry& entry : entries) {
    struct stat about {};
    if (::stat(entry.path.c_str(), &about) != 0) continue;  // gone since, as a save may have ended
    entry.size_bytes = static_cast<std::uint64_t>(about.st_size);
    entry.changed = about.st_mtime;
  }
  return entries;
}

json::Json to_json(const Entry& entry) {
  json::Json object{json::Object{}};
  object.set("file", entry.name()).set("step", entry.step).set("state", entry.state).set("reason", entry.reason);
  object.set("date", time_text(entry.changed, ::gmtime_r, "%Y-%m-%dT%H:%M:%SZ")).set("size_bytes", entry.size_bytes);
  if (!entry.is_valid()) return object;
  object.set("tokens", entry.run.tokens).set("mesh", entry.run.mesh).set("version", entry.run.version);
  return object.set("optimizer", entry.has_optimizer).set("kept_for_good", entry.is_kept);
}

void print(const std::string& dir, const std::vector<Entry>& entries) {
  std::size_t width = 4;
  for (const Entry& entry : entries) width = std::max(width, entry.run.mesh.size());
  fmt::print("'{}'\n{:>8}  {:<19} {:>11} {:>7}  {:<{}}  {:<18}  {:<8}  {}\n", dir, "step", "date", "size", "tokens",
             "mesh", width, "holds", "kept", "state");
  for (const Entry& entry : entries) {
    const bool valid = entry.is_valid();
    fmt::print("{:>8}  {:<19} {:>11} {:>7}  {:<{}}  {:<18}  {:<8}  {}\n", entry.step,
               time_text(entry.changed, ::localtime_r, "%Y-%m-%d %H:%M:%S"), base::format_bytes(entry.size_bytes),
               valid ? base::format_short(static_cast<double>(entry.run.tokens)) : "", valid ? entry.run.mesh : "",
               width,
               !valid                ? ""
               : entry.has_optimizer ? "weights, optimizer"
                                     : "weights only",
               entry.is_kept ? "for good" : "", entry.state);
  }
  for (const Entry& entry : entries)
    if (!entry.is_valid()) fmt::print("{}: {}\n", entry.name(), entry.reason);
}

}  // namespace

base::ExitCode list_checkpoints(Invocation& invocation) {
  const PlainCall call(invocation, "checkpoint list DIR|RUN",
                       {{"deep", false, "check the tensors too, not only first block and metadata"},
                        {"json", false, "print one JSON object"}},
                       1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty()) base::fail_usage("tessera checkpoint list needs a folder of checkpoints or of a run");
  const std::string dir = checkpoint::folder_of(call.positional().front());
  const std::vector<Entry> entries = list(dir, call.has("deep"));
  if (!call.has("json")) {
    print(dir, entries);
    return base::ExitCode::done;
  }
  json::Json array{json::Array{}}, object{json::Object{}};
  for (const Entry& entry : entries) array.push(to_json(entry));
  fmt::print("{}\n", object.set("folder", dir).set("checkpoints", std::move(array)).dump());
  return base::ExitCode::done;
}

}  // namespace tessera::tools
