// SPDX-License-Identifier: Apache-2.0
#include "faults/scenarios.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "base/stopwatch.hpp"
#include "faults/tmpfs.hpp"

namespace tessera::faults {
namespace {

namespace fs = std::filesystem;

std::int64_t drawn_save(Random& random, std::int64_t first) {
  const std::int64_t num_saves = (num_steps - first) / steps_between_saves + 1;
  return first + steps_between_saves * static_cast<std::int64_t>(draw(random, static_cast<std::uint64_t>(num_saves)));
}

/// Only a process that runs our binary: its number could be another's by now.
bool kill_rank(std::int32_t pid) {
  std::error_code error;
  const fs::path binary = fs::read_symlink(fmt::format("/proc/{}/exe", pid), error);
  return !error && fs::equivalent(binary, TESSERA_BINARY, error) && ::kill(pid, SIGKILL) == 0;
}

void expect_killed(Trial& trial, const CommandResult& result, bool hit) {
  if (result.hung) return;
  trial.expect((result.exit_code != 0) == hit, "exit code {} though {} was killed:\n{}", result.exit_code,
               hit ? "somebody" : "nobody", result.errors);
}

/// Some runs are killed once more after they went on, all ranks at any point of any save that is still to come.
void after_a_kill(Trial& trial, const CommandResult& result) {
  expect_killed(trial, result, trial.outcome().hit);
  std::int64_t newest = trial.look(trial.page().published_step);
  Random& random = trial.random();
  if (draw(random, 4) == 0 && newest < num_steps) {
    ShimSettings fault;
    fault.point = static_cast<Point>(draw(random, point_names.size()));
    fault.step = drawn_save(random, newest + steps_between_saves);
    fault.victim = "all";
    trial.outcome().what += fmt::format(", again at {} of step {}", name_of(*fault.point), fault.step);
    trial.age_empty_lock();
    const CommandResult second = trial.start(fault);
    expect_killed(trial, second, trial.page().faults > 0);
    newest = trial.look(std::max(newest, trial.page().published_step.load()));
  }
  trial.resume(newest);
}

void kill_at_point(Trial& trial) {
  Random& random = trial.random();
  const Round& round = trial.round();
  ShimSettings fault;
  fault.point = round.point;
  const bool of_pruning = round.point == Point::before_prune || round.point == Point::pruned;
  fault.step = drawn_save(random, steps_between_saves * (of_pruning ? kept_files + 1 : 1));
  if (round.point >= Point::laid_out && round.point <= Point::tiles_synced) {
    std::vector<int> writers;
    for (int rank = 0; rank < round.layout->ranks; ++rank)
      if (trial.reference().tiles[static_cast<std::size_t>(rank)] > 0) writers.push_back(rank);
    fault.rank = writers[draw(random, writers.size())];
    fault.tile = trial.reference().tiles[static_cast<std::size_t>(fault.rank)] / 2;
  }
  constexpr int ways = 3;
  const std::uint64_t way = draw(random, ways);
  fault.victim = way == 0   ? "self"
                 : way == 1 ? "all"
                            : std::to_string(draw(random, static_cast<std::uint64_t>(round.layout->ranks)));
  trial.outcome().what = fmt::format("{} of step {}{}, victim {}", name_of(round.point), fault.step,
                                     fault.rank < 0 ? "" : fmt::format(", rank {}", fault.rank), fault.victim);
  const CommandResult result = trial.start(fault);
  trial.outcome().hit = trial.page().faults > 0;
  after_a_kill(trial, result);
}

/// Kills from outside: by turns at any time after the ranks have started, which may be too late, and at any operation
/// on files but the last ones, which is not. Slow writes make saves a larger part of a run.
void kill_at_an_instant(Trial& trial, bool all) {
  Random& random = trial.random();
  const auto ranks = static_cast<std::uint64_t>(trial.round().layout->ranks);
  const bool by_clock = trial.round().time % 2 == 1;
  ShimSettings fault;
  if (!by_clock || draw(random, 2) == 0) {
    fault.delayed = "all";
    fault.delay_microseconds = 300;
  }
  const double seconds = by_clock ? trial.reference().seconds * static_cast<double>(draw(random, 1000)) / 1000 : 0;
  const std::uint64_t order = by_clock ? 0 : draw(random, trial.reference().order * 9 / 10);
  const std::uint64_t one = draw(random, ranks);
  trial.outcome().means = by_clock ? "clock" : "progress";
  trial.outcome().what =
      fmt::format("{} {}{}", all ? "all ranks" : fmt::format("rank {}", one),
                  by_clock ? fmt::format("after {:.3f} s", seconds) : fmt::format("after operation {}", order),
                  fault.delayed.empty() ? "" : ", slow writes");
  base::Clock::time_point started{};
  bool done = false;
  int killed = 0;
  const CommandResult result = trial.start(fault, "", [&] {
    if (done) return;
    if (started == base::Clock::time_point{}) {
      for (std::uint64_t rank = 0; rank < ranks; ++rank)
        if (trial.page().pids[rank] == 0) return;
      started = base::Clock::now();
    }
    if (base::seconds_since(started) < seconds || trial.page().order < order) return;
    done = true;
    for (std::uint64_t rank = 0; rank < ranks; ++rank)
      if ((all || rank == one) && kill_rank(trial.page().pids[rank])) ++killed;
  });
  trial.outcome().hit = killed > 0;
  if (killed == 0 || result.hung || result.exit_code != 0) {
    after_a_kill(trial, result);
    return;
  }
  // Killed behind its last message: the run is done.
  trial.resume(trial.look(num_steps));
}

void kill_at_file(Trial& trial) {
  Random& random = trial.random();
  ShimSettings fault;
  fault.order = 1 + draw(random, trial.reference().order);
  fault.victim = draw(random, 2) == 0 ? "self" : "all";
  trial.outcome().what = fmt::format("number {}, victim {}", fault.order, fault.victim);
  const CommandResult result = trial.start(fault);
  trial.outcome().hit = trial.page().faults > 0;
  after_a_kill(trial, result);
}

/// The newest file of a stopped run is not what it was: it is named, set aside as it is, and the older one taken.
void after_damage(Trial& trial, const std::set<std::string>& names) {
  const std::string path = checkpoint_path(trial.run(), stopped_step);
  const std::string damaged = testing::read_file(path);
  if (!trial.expect(!problem_of(path).empty(), "CORRUPT: the changed file passes for sound"))
    trial.outcome().corrupt = true;
  const std::int64_t older = stopped_step - steps_between_saves;
  trial.look(older, 1);
  const CommandResult result = trial.resume(older);
  trial.expect(result.errors.find(path) != std::string::npos, "'{}' is not named:\n{}", path, result.errors);
  for (const std::string& name : names)
    trial.expect(result.errors.find(name) != std::string::npos, "the damaged {} is not named:\n{}", name,
                 result.errors);
  trial.expect(testing::read_file(path + ".damaged") == damaged, "the damaged file was not set aside as it was");
}

const Stretch* tensor_at(const std::vector<Stretch>& tensors, std::uint64_t at) {
  for (const Stretch& tensor : tensors)
    if (at >= tensor.offset && at < tensor.offset + tensor.size_bytes) return &tensor;
  return nullptr;
}

/// By turns of the first block, of a tensor, of what is between tensors, and of any.
std::uint64_t drawn_byte(Trial& trial, const std::vector<Stretch>& tensors, std::uint64_t file_bytes) {
  constexpr std::uint64_t beginning_bytes = 2048;
  Random& random = trial.random();
  const int where = trial.round().time % 4;
  if (where == 0) return draw(random, beginning_bytes);
  if (where == 1) {
    const Stretch& tensor = tensors[draw(random, tensors.size())];
    return tensor.offset + draw(random, tensor.size_bytes);
  }
  for (;;) {
    const std::uint64_t at = draw(random, file_bytes);
    if (where == 3 || !tensor_at(tensors, at)) return at;
  }
}

void flip_bits(Trial& trial) {
  trial.begin_stopped();
  const std::string path = checkpoint_path(trial.run(), stopped_step);
  const std::vector<Stretch> tensors = stretches(path);
  std::string bytes = testing::read_file(path);
  std::set<std::string> names;
  bool in_tensors_only = true;
  std::set<std::uint64_t> changed;
  const std::uint64_t num_flips = 1 + draw(trial.random(), 3);
  while (changed.size() < num_flips) {
    const std::uint64_t at = drawn_byte(trial, tensors, bytes.size()), bit = draw(trial.random(), 8);
    if (!changed.insert(at).second) continue;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    const Stretch* tensor = tensor_at(tensors, at);
    if (tensor) names.insert(tensor->path);
    in_tensors_only = in_tensors_only && tensor;
    trial.outcome().what += fmt::format("{}bit {} of byte {}", changed.size() > 1 ? ", " : "", bit, at);
  }
  testing::write_file(path, bytes);
  // What is wrong in front of the tensors is told first: then they are not read.
  after_damage(trial, in_tensors_only ? names : std::set<std::string>{});
}

void truncate_file(Trial& trial) {
  trial.begin_stopped();
  const std::string path = checkpoint_path(trial.run(), stopped_step);
  const std::uint64_t size = draw(trial.random(), fs::file_size(path));
  trial.outcome().what = fmt::format("to {} bytes", size);
  fs::resize_file(path, size);
  after_damage(trial, {});
}

void expect_no_half_file(Trial& trial) {
  for (const std::string& file : trial.half_files()) trial.expect(false, "the failed save left '{}'", file);
}

void after_failed_writes(Trial& trial, const CommandResult& result, const std::string& reason) {
  trial.expect_failure(result, {1, 2}, reason);
  const std::int64_t newest = trial.look(trial.page().published_step);
  expect_no_half_file(trial);
  trial.resume(newest);
}

constexpr const char* kContinue = "--checkpoint.on_failure=continue";

void disk_full(Trial& trial) {
  Random& random = trial.random();
  const Reference& reference = trial.reference();
  const bool goes_on = trial.round().time % 4 >= 2;  // up to the last save, which fails, too
  std::unique_ptr<Tmpfs> disk;
  if (trial.round().time % 2 == 0) {
    // Room for one checkpoint, which needs its whole size before it is written, and not for the third beside two.
    const std::uint64_t least = reference.file_bytes + (std::uint64_t{64} << 10);
    const std::uint64_t most = 2 * reference.disk_bytes + reference.file_bytes * 9 / 10;
    const std::uint64_t size = least + draw(random, most - least);
    disk = Tmpfs::mount(trial.run(), size);
    if (disk) trial.outcome().what = fmt::format("of {} bytes", size);
  }
  ShimSettings fault;
  if (!disk) {
    fault.quota_bytes = static_cast<std::int64_t>(draw(random, reference.bytes_written * 9 / 10));
    fault.no_reserving = draw(random, 2) == 0;  // as on network file systems: then it is full in the middle of tiles
    trial.outcome().what =
        fmt::format("after {} bytes{}", fault.quota_bytes, fault.no_reserving ? ", no room in advance" : "");
  }
  trial.outcome().means = fmt::format("{}{}", disk ? "mount" : "quota", goes_on ? ", training goes on" : "");
  const CommandResult result = trial.start(fault, goes_on ? kContinue : "");
  trial.outcome().hit = disk ? result.exit_code != 0 : trial.page().faults > 0;
  if (disk) disk->resize(reference.file_bytes * 10);
  // Once a quota is used up metrics cannot be written either, and that ends the training.
  if (disk && goes_on) {
    const std::string last = fmt::format("step {}", num_steps);
    trial.expect(result.output.find("Training goes on") != std::string::npos &&
                     result.output.find(last + "/") != std::string::npos &&
                     result.errors.find(last + ": checkpoint") != std::string::npos,
                 "training did not go on to its last save:\n{}\n{}", result.output, result.errors);
  }
  after_failed_writes(trial, result, "space");
}

void sync_error(Trial& trial) {
  ShimSettings fault;
  fault.failing_sync = 1 + draw(trial.random(), trial.reference().syncs);
  trial.outcome().what = fmt::format("number {} of all saves", fault.failing_sync);
  const bool goes_on = trial.round().time % 2 == 1;
  trial.outcome().means = goes_on ? "EIO, training goes on" : "EIO";
  const CommandResult result = trial.start(fault, goes_on ? kContinue : "");
  trial.outcome().hit = trial.page().faults > 0;
  const std::string reason = std::strerror(EIO);
  if (!goes_on) {
    after_failed_writes(trial, result, reason);
    return;
  }
  if (result.hung) return;
  trial.expect(result.exit_code == 0, "exit code {}:\n{}", result.exit_code, result.errors);
  trial.expect(result.output.find(reason) != std::string::npos &&
                   result.output.find("Training goes on (checkpoint.on_failure = continue)") != std::string::npos,
               "the save that failed is not told:\n{}", result.output);
  expect_no_half_file(trial);
  trial.resume(trial.look(num_steps));
}

std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().string()] = entry.is_regular_file() ? testing::read_file(entry.path().string()) : "";
  return files;
}

void read_only(Trial& trial) {
  trial.begin_stopped();
  const std::map<std::string, std::string> before = contents(trial.run());
  ShimSettings fault;
  const bool is_mount = trial.round().time % 2 == 0;
  fault.read_only = is_mount ? "EROFS" : "EACCES";
  trial.outcome().what = trial.outcome().means = fault.read_only;
  const CommandResult result = trial.start(fault);
  trial.outcome().hit = trial.page().faults > 0;
  trial.expect_failure(result, {2}, std::strerror(is_mount ? EROFS : EACCES));
  trial.expect(result.errors.find(trial.run()) != std::string::npos, "the folder is not named:\n{}", result.errors);
  trial.expect(contents(trial.run()) == before, "the folder changed");
  trial.resume(trial.look(stopped_step));
}

void delay(Trial& trial) {
  ShimSettings fault;
  fault.delayed = std::to_string(draw(trial.random(), static_cast<std::uint64_t>(trial.round().layout->ranks)));
  fault.delay_microseconds = 200 + draw(trial.random(), 800);
  trial.outcome().what = fmt::format("rank {}, {} us a write", fault.delayed, fault.delay_microseconds);
  const CommandResult result = trial.start(fault);
  if (result.hung) return;
  trial.outcome().hit = trial.page().delays > 0;
  trial.expect(result.exit_code == 0, "exit code {}:\n{}", result.exit_code, result.errors);
  trial.resume(trial.look(num_steps));
}

}  // namespace

Outcome play(TestStand& stand, const Round& round) {
  const base::Clock::time_point begin = base::Clock::now();
  Trial trial(stand, round);
  switch (round.fault) {
    case Fault::kill_at_point:
      kill_at_point(trial);
      break;
    case Fault::kill_one:
      kill_at_an_instant(trial, false);
      break;
    case Fault::kill_all:
      kill_at_an_instant(trial, true);
      break;
    case Fault::kill_at_file:
      kill_at_file(trial);
      break;
    case Fault::flip_bits:
      flip_bits(trial);
      break;
    case Fault::truncate:
      truncate_file(trial);
      break;
    case Fault::disk_full:
      disk_full(trial);
      break;
    case Fault::read_only:
      read_only(trial);
      break;
    case Fault::sync_error:
      sync_error(trial);
      break;
    case Fault::delay:
      delay(trial);
      break;
  }
  std::error_code ignored;
  if (trial.outcome().good()) fs::remove_all(trial.run(), ignored);
  trial.outcome().seconds = base::seconds_since(begin);
  return trial.outcome();
}

}  // namespace tessera::faults
