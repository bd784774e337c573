// SPDX-License-Identifier: Apache-2.0
#include "faults/replay.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>
#include <map>
#include <stdexcept>

#include "faults/checkpoint_file.hpp"
#include "faults/disk_model.hpp"
#include "faults/points.hpp"
#include "faults/trial.hpp"

namespace tessera::faults {

namespace fs = std::filesystem;

namespace {

using Kind = Operation::Kind;
using Operations = std::vector<Operation>;

constexpr std::size_t kStarts = 6;

bool publishes(const Operation& operation) {
  return operation.kind == Kind::rename && operation.result >= 0 && step_of_temporary(operation.path) &&
         step_in(operation.target);
}

std::string parent(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

/// What cuts leave, on the disk, to be read by the program's own code. Only files with the name of a checkpoint are put
/// there, when they change: nothing else of a folder says which checkpoint is the newest sound one.
class Remains {
 public:
  explicit Remains(std::string folder) : folder_(std::move(folder)) { fs::create_directories(folder_); }

  /// Makes the folder hold these files.
  void put(const std::map<std::string, std::string>& files) {
    std::map<std::string, std::string> checkpoints;
    for (const auto& [path, content] : files)
      if (step_in(path)) checkpoints[folder_ + "/" + fs::path(path).filename().string()] = content;
    for (auto at = known_.begin(); at != known_.end();) {
      if (checkpoints.contains(at->first)) {
        ++at;
        continue;
      }
      fs::remove(at->first);
      at = known_.erase(at);
    }
    for (const auto& [path, content] : checkpoints) {
      const auto at = known_.find(path);
      if (at != known_.end() && at->second.content == content) continue;
      fs::remove(path);  // cut to nothing and written again, a file is flushed by some file systems when it is closed
      testing::write_file(path, content);
      known_[path] = {content, problem_of(path)};
      ++verified_;
    }
  }

  std::int64_t newest_sound() const {
    std::int64_t newest = 0;
    for (const auto& [path, file] : known_)
      if (file.problem.empty()) newest = std::max(newest, *step_in(path));
    return newest;
  }
  std::string problem() const {
    for (const auto& [path, file] : known_)
      if (!file.problem.empty()) return file.problem;
    return "";
  }
  std::size_t verified() const { return verified_; }

 private:
  struct File {
    std::string content, problem;
  };
  std::string folder_;
  std::map<std::string, File> known_;
  std::size_t verified_ = 0;
};

/// The program starts on what a cut left.
std::vector<std::string> start_on(TestStand& stand, const Round& round,
                                  const std::map<std::string, std::string>& files) {
  Trial trial(stand, round);
  for (const auto& [path, content] : files) {
    const std::string full = trial.run() + "/" + path;
    fs::create_directories(parent(full));
    testing::write_file(full, content);
  }
  trial.resume(look_into(trial.run() + "/checkpoints").newest, false);
  fs::remove_all(trial.run());
  return trial.outcome().problems;
}

ReplayResult summary(const Operations& operations) {
  ReplayResult result;
  result.operations = operations.size();
  for (const Operation& operation : operations) {
    if (publishes(operation)) ++result.saves;
    if (operation.kind == Kind::unlink && operation.result >= 0 && step_in(operation.path)) ++result.removed;
  }
  return result;
}

std::int64_t newest_published(const std::vector<Published>& published, std::uint64_t order) {
  std::int64_t newest = 0;
  for (const Published& one : published)
    if (one.order <= order) newest = std::max(newest, one.step);
  return newest;
}

/// Counts what is wrong with the remains of a cut, and describes the first of each kind.
void judge(const Remains& remains, std::int64_t published_step, const std::string& cut, ReplayResult& result) {
  const std::int64_t newest = remains.newest_sound();
  if (newest < published_step && result.lost++ == 0)
    result.problems.push_back(
        fmt::format("LOST: {}: step {} was published, the newest sound one is {}", cut, published_step, newest));
  const std::string problem = remains.problem();
  if (!problem.empty() && result.unsound++ == 0)
    result.problems.push_back(fmt::format("UNSOUND: {}: {}", cut, problem));
}

/// Throws std::runtime_error unless the log explains every byte in the folder: a call that the shim does not see would
/// make the replay worthless.
void require_complete(const std::string& run, const Operations& operations) {
  DiskModel disk(run, operations);
  while (disk.advance()) {
  }
  Random unused;
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(run))
    if (entry.is_regular_file())
      found[entry.path().string().substr(run.size() + 1)] = testing::read_file(entry.path().string());
  if (found != disk.files(Survival::all, unused))
    throw std::runtime_error("the log does not explain what is in the folder of the recorded run");
}

Operations record(TestStand& stand, const Round& round, std::string& run) {
  const testing::TestFolder logs;
  run = stand.new_run();
  fs::create_directories(run);
  ShimSettings settings;
  settings.log = logs.path();
  const CommandResult result = stand.train(round, run, settings);
  if (result.exit_code != 0) throw std::runtime_error("the run to be recorded fails: " + result.errors);
  Operations operations = read_logs(logs.path());
  require_complete(run, operations);
  return operations;
}

}  // namespace

std::vector<Operation> forget(std::vector<Operation> operations, Forgotten what) {
  if (what == Forgotten::nothing) return operations;
  std::vector<Operation> renames;
  std::copy_if(operations.begin(), operations.end(), std::back_inserter(renames), publishes);
  if (renames.empty()) throw std::runtime_error("the log holds no save");
  const Operation& rename = renames[renames.size() / 2];
  const auto is_of_this_save = [&](const Operation& operation) {
    if (operation.kind != Kind::sync) return false;
    if (what == Forgotten::folder) return operation.path == parent(rename.target) && operation.begin > rename.end;
    if (operation.path != rename.path || operation.end > rename.begin) return false;
    return (operation.rank == rename.rank) == (what == Forgotten::file);
  };
  // Of the file the last one, of the folder the first.
  auto chosen = operations.end();
  for (auto at = operations.begin(); at != operations.end(); ++at)
    if (is_of_this_save(*at) && (chosen == operations.end() || what != Forgotten::folder)) chosen = at;
  if (chosen == operations.end())
    throw std::runtime_error(
        fmt::format("the log holds no flush of {} to forget", forgotten_names[static_cast<std::size_t>(what)]));
  operations.erase(chosen);
  return operations;
}

std::vector<Published> publications(const std::vector<Operation>& operations) {
  std::vector<Published> all;
  for (const Operation& rename : operations) {
    if (!publishes(rename)) continue;
    std::uint64_t order = UINT64_MAX;
    for (const Operation& later : operations) {
      if (later.begin < rename.end || later.result < 0) continue;
      const bool is_flush = later.kind == Kind::sync && later.path == parent(rename.target);
      const bool goes_on = (later.kind == Kind::unlink && step_in(later.path)) ||
                           (later.kind == Kind::open && step_of_temporary(later.path));
      if (is_flush) order = std::min(order, later.end);
      if (goes_on) order = std::min(order, later.begin);
    }
    if (order == UINT64_MAX) order = operations.back().begin;  // the run ends with it
    all.push_back({order, *step_in(rename.target)});
  }
  return all;
}

ReplayResult replay(TestStand& stand, bool async, std::uint64_t seed, Forgotten what) {
  Round round;
  round.async = async;
  for (const Layout& layout : layouts())
    if (layout.name == std::string("pipeline 2")) round.layout = &layout;  // both ranks have tiles of their own
  std::string run;
  const Operations operations = forget(record(stand, round, run), what);
  ReplayResult result = summary(operations);
  if (result.saves < 3 || result.removed == 0)
    throw std::runtime_error("the recorded run saves too seldom or removes no old file");

  const std::vector<Published> published = publications(operations);
  const testing::TestFolder folder;
  DiskModel disk(run, operations);
  Random random(seed);
  const std::size_t between_starts = disk.num_instants() / kStarts;
  std::vector<Remains> remains;
  for (const char* name : survival_names) remains.emplace_back(folder / name);
  do {
    // A start now and then, by turns of the ways to survive; with a flush forgotten it may well fail.
    const bool is_start = what == Forgotten::nothing && result.instants % between_starts == between_starts / 2;
    const std::size_t way_to_start = result.instants / between_starts % survival_names.size();
    for (std::size_t way = 0; way < survival_names.size(); ++way) {
      const std::map<std::string, std::string> files = disk.files(static_cast<Survival>(way), random);
      remains[way].put(files);
      judge(remains[way], newest_published(published, disk.now()),
            fmt::format("power cut after operation {}, {} of what was not flushed survives", disk.now(),
                        survival_names[way]),
            result);
      if (!is_start || way != way_to_start) continue;
      ++result.starts;
      for (const std::string& problem : start_on(stand, round, files)) result.problems.push_back(problem);
    }
    ++result.instants;
  } while (disk.advance());
  for (const Remains& of_way : remains) result.verified += of_way.verified();
  return result;
}

}  // namespace tessera::faults
