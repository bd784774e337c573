// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fmt/core.h>
#include <memory>

#include "base/units.hpp"
#include "checkpoint/files.hpp"
#include "config/parse.hpp"
#include "json/json.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"
#include "train/run_lock.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

/// The folder whose lock a training would hold that saves into `dir`.
std::string run_folder_of(const std::string& dir) {
  // Links are not followed: they lead away from the run folder. "dir/" has an empty name.
  const fs::path path = (fs::absolute(dir) / "").lexically_normal().parent_path();
  return (path.filename() == "checkpoints" ? path.parent_path() : path).string();
}

std::int64_t step_of_file(const std::string& path) {
  return *checkpoint::step_of(fs::path(path).filename().string());
}

/// The newest file of which every byte is right: it stays, whatever is asked, and so does all that is newer.
struct Newest {
  std::string path;
  std::int64_t keep_every = 0;  // of its run
};

Newest find_newest_sound(const std::string& dir) {
  Newest newest;
  const checkpoint::Inspection note_keep_every = [&](const checkpoint::FileReader& file) {
    if (!file.has_optimizer())
      return std::vector<checkpoint::Problem>{{"", "it holds weights only, from which no training resumes"}};
    newest.keep_every = config::parse_text(file.state().config, "/run/config").checkpoint.keep_every;
    return std::vector<checkpoint::Problem>{};
  };
  std::string problems;
  for (const std::string& path : checkpoint::list_newest_first(dir)) {
    const checkpoint::Verdict verdict = checkpoint::verify(path, note_keep_every);
    newest.path = path;
    if (verdict.condition == checkpoint::Condition::sound) return newest;
    for (const checkpoint::Problem& problem : verdict.problems) {
      fmt::print(stderr, "warning: '{}' counts for nothing: {}\n", path, describe(problem));
      problems += fmt::format("\n  '{}': {}", path, describe(problem));
    }
  }
  base::fail_usage("'{}' holds no sound checkpoint, so nothing is removed:{}", dir, problems);
}

/// What went, or would go.
struct Pruned {
  std::vector<std::string> files;
  std::uint64_t size_bytes = 0;
};

Pruned prune(const std::string& dir, std::int64_t newest, const checkpoint::Retention& retention, bool dry_run) {
  Pruned pruned;
  for (const std::string& path : checkpoint::dispensable(dir, newest, retention)) {
    if (!checkpoint::FileReader(path).has_optimizer()) continue;  // nobody's older state
    pruned.size_bytes += fs::file_size(path);
    if (!dry_run) fs::remove(path);
    pruned.files.push_back(path);
  }
  return pruned;
}

std::int64_t keep_of(const PlainCall& call) {
  call.required("keep");
  const std::int64_t keep = call.count("keep", 0);
  if (keep < 1) base::fail_usage("--keep = {}: the newest sound checkpoint always stays, so it is 1 or more", keep);
  return keep;
}

}  // namespace

base::ExitCode prune_checkpoints(Invocation& invocation) {
  const PlainCall call(invocation, "checkpoint prune DIR|RUN",
                       {{"keep", true, "so many of the newest stay"},
                        {"keep-every", true, "steps: multiples stay too; 0: none (the run's checkpoint.keep_every)"},
                        {"dry-run", false, "say what would go, remove nothing"},
                        {"json", false, "print one JSON object"}},
                       1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty()) base::fail_usage("tessera checkpoint prune needs a folder of checkpoints or of a run");
  checkpoint::Retention retention{keep_of(call), call.count("keep-every", 0)};
  const std::string dir = checkpoint::folder_of(call.positional().front());
  const bool dry_run = call.has("dry-run");
  std::string note;
  const auto lock = dry_run ? nullptr : std::make_unique<train::RunLock>(run_folder_of(dir), note);
  if (!note.empty()) fmt::print(stderr, "warning: {}\n", note);
  const Newest newest = find_newest_sound(dir);
  if (!call.has("keep-every")) retention.keep_every = newest.keep_every;
  const Pruned pruned = prune(dir, step_of_file(newest.path), retention, dry_run);
  const std::size_t num_left = checkpoint::list_newest_first(dir).size() - (dry_run ? pruned.files.size() : 0);
  if (call.has("json")) {
    json::Json files{json::Array{}}, object{json::Object{}};
    for (const std::string& file : pruned.files) files.push(file);
    object.set("folder", dir).set("dry_run", dry_run).set("keep_every", retention.keep_every);
    object.set("removed", std::move(files));
    object.set("size_bytes", pruned.size_bytes)
        .set("newest", newest.path)
        .set("left", static_cast<std::int64_t>(num_left));
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  for (const std::string& file : pruned.files) fmt::print("{} '{}'\n", dry_run ? "would remove" : "removed", file);
  fmt::print("{} file(s), {}; {} stay, of which '{}' is the newest sound one\n", pruned.files.size(),
             base::format_bytes(pruned.size_bytes), num_left, newest.path);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
