// SPDX-License-Identifier: Apache-2.0
#include "train/run_folder.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <map>
#include <sstream>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/file_reader.hpp"
#include "checkpoint/striping.hpp"
#include "checkpoint/tiles.hpp"
#include "comm/together.hpp"
#include "config/parse.hpp"
#include "config/print.hpp"

namespace tessera::train {

namespace fs = std::filesystem;

namespace {

/// Keys whose change makes a checkpoint unusable.
bool shapes_model(const std::string& key) {
  return key.starts_with("model.") && key != "model.dropout";
}

/// Keys that say where and how fast a run goes, not what it computes.
bool is_incidental(const std::string& key) {
  static constexpr const char* keys[] = {"run.dir",
                                         "run.init_from",
                                         "run.stop_after",
                                         "run.device",
                                         "run.threads",
                                         "run.recompute",
                                         "run.trace",
                                         "run.log_interval",
                                         "run.eval_interval",
                                         "data.tokenizer",
                                         "parallel.data",
                                         "parallel.tensor",
                                         "parallel.pipeline",
                                         "parallel.pipeline_schedule",
                                         "parallel.virtual_stages",
                                         "parallel.sequence",
                                         "parallel.zero",
                                         "parallel.timeout",
                                         "parallel.bucket",
                                         "checkpoint.interval",
                                         "checkpoint.keep",
                                         "checkpoint.keep_every",
                                         "checkpoint.async",
                                         "checkpoint.on_failure",
                                         "checkpoint.stripe",
                                         "checkpoint.write_rate",
                                         "optim.micro_batch"};
  for (const char* incidental : keys)
    if (key == incidental) return true;
  return false;
}

/// Refuses what does not fit the checkpoint and returns what else changed, a line each.
std::string compare_configs(const std::string& path, const config::Config& saved, const config::Config& now) {
  const std::map<std::string, std::string> before = config::key_values(saved), after = config::key_values(now);
  std::string refused, noted;
  for (const auto& [key, value] : after) {
    const auto old = before.find(key);
    if (old == before.end() || old->second == value || is_incidental(key)) continue;
    (shapes_model(key) ? refused : noted) +=
        fmt::format("\n  {}: {} in the checkpoint, {} now", key, old->second, value);
  }
  if (!refused.empty())
    base::fail_usage("checkpoint '{}' is of another model:{}\nUse the checkpoint's settings, or another run.dir", path,
                     refused);
  return noted;
}

[[noreturn]] void refuse_folder(const std::string& dir, const std::string& reason) {
  base::fail_usage("run.dir = '{}' cannot be written: {}. Choose a folder you may write to", dir, reason);
}

}  // namespace

RunFolder::RunFolder(const comm::Communicator& ranks, const config::Config& resolved)
    : ranks_(&ranks), dir_(resolved.run.dir) {
  comm::together(ranks, "run folder", [&] {
    if (ranks.rank() != 0) return;
    std::error_code error;
    fs::create_directories(checkpoints_dir(), error);
    if (error) refuse_folder(dir_, error.message());
    base::sync_folder(dir_);  // so that its checkpoints survive a power cut, their folder must
    try {
      base::sync_folder(fs::absolute(dir_).parent_path().string());
    } catch (const base::SystemError&) {  // one that may be entered and not read, as /home often
    }
    std::string note;
    lock_ = std::make_unique<RunLock>(dir_, note);
    if (!note.empty()) fmt::print(stderr, "warning: {}\n", note);
    for (const std::string& path : checkpoint::remove_leftovers(checkpoints_dir()))
      fmt::print(stderr, "warning: removed '{}', which a save that was cut off left\n", path);
    const std::int64_t stripe = resolved.checkpoint.stripe;
    if (stripe > 0 && !checkpoint::set_striping(checkpoints_dir(), stripe))
      fmt::print(stderr, "warning: checkpoint.stripe = {} has no effect: '{}' is not on Lustre\n", stripe,
                 checkpoints_dir());
    std::ofstream file(new_config());
    file << config::to_ini(resolved);
    file.close();
    if (!file) refuse_folder(dir_, std::strerror(errno));
  });
}

RunFolder::~RunFolder() {
  std::error_code ignored;  // absent once it has its name
  if (ranks_->rank() == 0) fs::remove(new_config(), ignored);
}

void RunFolder::publish_config() const {
  comm::together(*ranks_, "configuration of the run folder", [&] {
    if (ranks_->rank() == 0) base::publish_file(new_config(), dir_ + "/config.cfg");
  });
}

std::string RunFolder::read(const std::string& path, Replica& replica, const RunData& data, checkpoint::RunState& state,
                            std::string& changed) const {
  try {
    state = checkpoint::read_state(*ranks_, path);
    comm::together(*ranks_, "checkpoint compared", [&] {
      if (ranks_->rank() == 0 && !checkpoint::FileReader(path).has_optimizer())
        base::fail_usage(
            "checkpoint '{}' holds weights only, so no training goes on from it: to begin a new one with its weights, "
            "set run.init_from = {} and another run.dir",
            path, path);
      if (state.tokenizer_fingerprint != data.first_file().fingerprint())
        base::fail_usage(
            "checkpoint '{}' was trained with another tokenizer (fingerprint {}) than data.train = '{}' (fingerprint "
            "{}): use its token file, or another run.dir",
            path, state.tokenizer_fingerprint, data.first_file().path(), data.first_file().fingerprint());
      changed = compare_configs(path, config::parse_text(state.config, path + ":/run/config"), replica.config());
      if (ranks_->rank() != 0 || state.data.empty()) return;  // rank 0 tells what changed
      if (const std::string now = data.describe(); now != state.data)
        changed += fmt::format("\n  the tokens of data.train: {} in the checkpoint, {} now", state.data, now);
    });
    checkpoint::read_tiles(*ranks_, replica.mesh().tensor(), path, replica.tiles());
  } catch (const checkpoint::DamagedError& error) {  // the same on every rank
    return error.what();
  }
  replica.spread_state();
  return "";
}

void RunFolder::set_aside(const std::vector<Damaged>& files, const std::string& path) const {
  comm::together(*ranks_, "damaged checkpoints set aside", [&] {
    if (ranks_->rank() != 0) return;
    for (const Damaged& file : files)
      fmt::print(stderr, "warning: {}\nwarning: it is now '{}'; going on from '{}'\n", file.damage,
                 checkpoint::set_aside(file.path), path);
  });
}

bool RunFolder::resume(Replica& replica, const RunData& data, checkpoint::RunState& state,
                       const std::function<void(const std::string&)>& say) const {
  const std::vector<std::string> paths = list_checkpoints();
  std::vector<Damaged> damaged;
  std::string changed;
  for (const std::string& path : paths) {
    const std::string damage = read(path, replica, data, state, changed);
    if (!damage.empty()) {
      damaged.push_back({path, damage});
      continue;
    }
    set_aside(damaged, path);
    if (!changed.empty()) say(fmt::format("note: resuming '{}' with changed settings:{}", path, changed));
    say(fmt::format("resumed from '{}' (step {})", path, state.step));
    return true;
  }
  if (paths.empty()) return false;
  std::string list;
  for (const Damaged& file : damaged) list += "\n  " + file.damage;
  throw base::SharedError(fmt::format("run.dir = '{}' holds checkpoints, but none that is sound:{}\nCopy a sound one "
                                      "there, or move the folder away to train from the beginning",
                                      dir_, list),
                          base::ExitCode::usage);
}

std::vector<std::string> RunFolder::list_checkpoints() const {
  std::string names;  // one a line; the folder is the same on all ranks
  comm::together(*ranks_, "search for checkpoints", [&] {
    if (ranks_->rank() != 0) return;
    for (const std::string& path : checkpoint::list_newest_first(checkpoints_dir()))
      names += fs::path(path).filename().string() + "\n";
  });
  std::istringstream lines(ranks_->broadcast_text(names, 0, "names of checkpoints"));
  std::vector<std::string> paths;
  for (std::string name; std::getline(lines, name);) paths.push_back(checkpoints_dir() + "/" + name);
  return paths;
}

void RunFolder::require_held() const {
  comm::together(*ranks_, "lock of the run folder", [&] { require_held_here(); });
}

void RunFolder::require_held_here() const {
  if (lock_) lock_->require_held();
}

}  // namespace tessera::train
