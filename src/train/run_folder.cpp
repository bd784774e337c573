// SPDX-License-Identifier: Apache-2.0
#include "train/run_folder.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <map>

#include "base/error.hpp"
#include "base/posix_file.hpp"
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
  static constexpr const char* keys[] = {
      "run.dir",          "run.stop_after",      "run.device",      "run.threads",      "run.recompute",
      "run.log_interval", "run.eval_interval",   "data.tokenizer",  "parallel.data",    "parallel.timeout",
      "parallel.bucket",  "checkpoint.interval", "checkpoint.keep", "optim.micro_batch"};
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

}  // namespace

RunFolder::RunFolder(const comm::Communicator& ranks, const config::Config& resolved)
    : ranks_(&ranks), dir_(resolved.run.dir) {
  comm::together(ranks, "run folder", [&] {
    if (ranks.rank() != 0) return;
    std::error_code error;
    fs::create_directories(checkpoints_dir(), error);
    std::ofstream file;
    if (!error) {
      file.open(new_config());
      file << config::to_ini(resolved);
      file.close();
    }
    if (error || !file)
      base::fail_usage("run.dir = '{}' cannot be written: {}. Choose a folder you may write to", dir_,
                       error ? error.message() : std::strerror(errno));
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

bool RunFolder::resume(Replica& replica, const RunData& data, checkpoint::RunState& state,
                       const std::function<void(const std::string&)>& say) const {
  std::string path, changed;
  comm::together(*ranks_, "search for checkpoints", [&] {
    if (ranks_->rank() != 0) return;
    std::vector<std::string> warnings;
    path = checkpoint::find_newest(checkpoints_dir(), warnings).value_or("");
    for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
  });
  path = ranks_->broadcast_text(path, 0, "path of the checkpoint");
  if (path.empty()) return false;
  comm::together(*ranks_, "checkpoint read", [&] {
    state = checkpoint::read_state(path);
    if (state.tokenizer_fingerprint != data.first_file().fingerprint())
      base::fail_usage(
          "checkpoint '{}' was trained with another tokenizer (fingerprint {}) than data.train = '{}' (fingerprint "
          "{}): "
          "use its token file, or another run.dir",
          path, state.tokenizer_fingerprint, data.first_file().path(), data.first_file().fingerprint());
    changed = compare_configs(path, config::parse_text(state.config, path + ":/run/config"), replica.config());
    checkpoint::read_tiles(path, replica.tiles());
    replica.parameters().round_weights(replica.device());
  });
  if (!changed.empty()) say(fmt::format("note: resuming '{}' with changed settings:{}", path, changed));
  say(fmt::format("resumed from '{}' (step {})", path, state.step));
  return true;
}

std::string RunFolder::save(Replica& replica, const checkpoint::RunState& state) const {
  // Data ranks hold equal copies: the first one writes.
  const std::vector<checkpoint::TensorTile> tiles =
      ranks_->rank() == 0 ? replica.tiles() : std::vector<checkpoint::TensorTile>{};
  return checkpoint::save(*ranks_, checkpoints_dir(), state, tiles, replica.config().checkpoint.keep);
}

}  // namespace tessera::train
