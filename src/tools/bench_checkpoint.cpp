// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_checkpoint.hpp"

#include <ctime>
#include <filesystem>
#include <fmt/core.h>
#include <functional>
#include <unistd.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "base/quantile.hpp"
#include "base/stopwatch.hpp"
#include "base/units.hpp"
#include "checkpoint/saver.hpp"
#include "checkpoint/tiles.hpp"
#include "comm/together.hpp"
#include "json/json.hpp"
#include "train/train_step.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;
using base::median;

constexpr std::size_t kPlainPiece = std::size_t{2} << 20;
constexpr int kStepsAlone = 5, kSaves = 3;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// An equal share of so many bytes for every rank, in one file: the most that checkpoints can hope for.
class PlainFile {
 public:
  PlainFile(const comm::Communicator& ranks, std::string path, std::uint64_t size_bytes)
      : ranks_(ranks), path_(std::move(path)), share_(size_bytes / static_cast<std::uint64_t>(ranks.size())) {
    for (std::size_t i = 0; i < share_.size(); ++i) share_[i] = static_cast<char>(i * 31 + i / 4096);
  }
  void write() {
    comm::together(ranks_, "plain write", [&] {
      if (ranks_.rank() == 0) base::PosixFile::create(path_);
    });
    comm::together(ranks_, "plain write", [&] {
      base::PosixFile file = base::PosixFile::open_write(path_);
      for_each_piece([&](std::size_t at, std::size_t size) { file.write_at(start() + at, &share_[at], size); });
      file.sync();
    });
  }
  void read() {
    comm::together(ranks_, "plain read", [&] {
      const base::PosixFile file = base::PosixFile::open_read(path_);
      for_each_piece([&](std::size_t at, std::size_t size) { file.read_at(start() + at, &share_[at], size); });
    });
  }
  const std::string& path() const { return path_; }

 private:
  std::uint64_t start() const { return share_.size() * static_cast<std::uint64_t>(ranks_.rank()); }
  void for_each_piece(const std::function<void(std::size_t at, std::size_t size)>& visit) const {
    for (std::size_t at = 0; at < share_.size(); at += kPlainPiece)
      visit(at, std::min(kPlainPiece, share_.size() - at));
  }

  const comm::Communicator& ranks_;
  std::string path_;
  std::vector<char> share_;
};

/// Seconds of the slowest rank.
double timed(const comm::Communicator& ranks, const std::function<void()>& action) {
  ranks.barrier("bench checkpoint");
  const base::Clock::time_point start = base::Clock::now();
  action();
  return ranks.max(base::seconds_since(start), "time of a checkpoint");
}

/// By rank 0, outside of what is timed.
void remove_file(const comm::Communicator& ranks, const std::string& path) {
  comm::together(ranks, "file removed", [&] {
    if (ranks.rank() == 0) fs::remove(path);
  });
}

void forget(const comm::Communicator& ranks, const std::string& path) {
  comm::together(ranks, "file forgotten", [&] { base::PosixFile::open_read(path).forget(); });
}

struct Pairs {
  std::vector<double> ours, plain, shares;
  void add(double our_seconds, double plain_seconds) {
    ours.push_back(our_seconds);
    plain.push_back(plain_seconds);
    shares.push_back(plain_seconds / our_seconds);
  }
};

void measure_files(train::Replica& replica, const std::string& folder, CheckpointFigures& figures) {
  const comm::Communicator& ranks = replica.mesh().all();
  checkpoint::Saver saver(ranks, replica.mesh().tensor(), replica.tiles(), {folder, {0, 0}, false, 0});
  checkpoint::RunState state;
  std::string path;
  const auto save = [&] {
    saver.begin(state);
    path = saver.finish()->path;
  };
  save();  // tells the size
  figures.size_bytes = fs::file_size(path);
  figures.num_writes = static_cast<std::int64_t>(ranks.sum(static_cast<double>(saver.num_stretches()), "writes"));
  PlainFile plain(ranks, folder + "/plain", figures.size_bytes);
  Pairs writes, reads;
  double cpu = 0;
  for (int pair = 0; pair < kCheckpointPairs; ++pair) {
    remove_file(ranks, path);
    ++state.step;
    const double ours = timed(ranks, save);
    remove_file(ranks, plain.path());
    const double before = cpu_seconds();
    writes.add(ours, timed(ranks, [&] { plain.write(); }));
    cpu += cpu_seconds() - before;
    forget(ranks, path);
    const double read =
        timed(ranks, [&] { checkpoint::read_tiles(ranks, replica.mesh().tensor(), path, replica.tiles()); });
    forget(ranks, plain.path());
    reads.add(read, timed(ranks, [&] { plain.read(); }));
  }
  replica.spread_state();
  remove_file(ranks, path);
  remove_file(ranks, plain.path());
  figures.write_seconds = median(writes.ours);
  figures.plain_write_seconds = median(writes.plain);
  figures.write_share = median(writes.shares);
  figures.read_seconds = median(reads.ours);
  figures.plain_read_seconds = median(reads.plain);
  figures.read_share = median(reads.shares);
  figures.plain_write_cpu_seconds = ranks.sum(cpu / kCheckpointPairs, "CPU time of plain writes");
}

/// The median save of kSaves, each over as many steps as it takes.
void measure_cost(train::Replica& replica, const std::string& folder, CheckpointFigures& figures) {
  const comm::Communicator& ranks = replica.mesh().all();
  checkpoint::Saver saver(ranks, replica.mesh().tensor(), replica.tiles(), {folder, {0, 0}, true, 0});
  checkpoint::RunState state;
  std::int64_t updates = 0;
  const auto step = [&] { train::train_step(replica, updates + 1, updates); };
  std::vector<double> alone, slowest, begins, lost, saves;
  for (int save = -1; save < kSaves; ++save) {  // the first one touches the copy
    std::vector<double> before;
    for (int i = 0; i < kStepsAlone; ++i) before.push_back(timed(ranks, step));
    state.step = updates;
    std::optional<checkpoint::Saved> saved;
    const base::Clock::time_point start = base::Clock::now();
    saver.begin(state);
    const double begin = base::seconds_since(start);
    double most = 0;
    std::int64_t steps = 0;
    for (; !saved; ++steps) {
      most = std::max(most, timed(ranks, step));
      saved = saver.poll();
    }
    const double total = base::seconds_since(start);
    remove_file(ranks, saved->path);
    if (save < 0) continue;
    const double usual = median(before);
    alone.push_back(usual);
    begins.push_back(ranks.max(begin, "time of a copy"));
    slowest.push_back(most);
    lost.push_back(ranks.max(total, "time with a save") - static_cast<double>(steps) * usual);
    saves.push_back(saved->seconds);
    figures.steps_meanwhile = steps;
  }
  figures.step_seconds = median(alone);
  figures.slowest_step_seconds = median(slowest);
  figures.begin_seconds = median(begins);
  figures.lost_seconds = median(lost);
  figures.save_seconds = median(saves);
}

}  // namespace

CheckpointFigures measure_checkpoints(train::Replica& replica, const std::string& folder) {
  const comm::Communicator& ranks = replica.mesh().all();
  CheckpointFigures figures;
  figures.folder = folder;
  std::string own = fmt::format("{}/bench-{}", folder, ::getpid());  // what stands in the folder is not ours
  own = ranks.broadcast_text(own, 0, "folder of the checkpoints");
  comm::together(ranks, "folder of the checkpoints", [&] {
    if (ranks.rank() != 0) return;
    fs::create_directories(folder);
    if (!fs::create_directory(own)) base::fail_usage("--checkpoint: '{}' exists already: remove it", own);
  });
  try {
    measure_files(replica, own, figures);
    measure_cost(replica, own, figures);
  } catch (const base::SharedError&) {
    std::error_code ignored;
    if (ranks.rank() == 0) fs::remove_all(own, ignored);
    throw;
  }
  remove_file(ranks, own);
  return figures;
}

std::string checkpoint_json(const CheckpointFigures& f) {
  json::Json object{json::Object{}};
  object.set("folder", f.folder).set("size_bytes", f.size_bytes).set("num_writes", f.num_writes);
  object.set("pairs", std::int64_t{kCheckpointPairs});
  object.set("write_seconds", f.write_seconds).set("plain_write_seconds", f.plain_write_seconds);
  object.set("write_share", f.write_share).set("plain_write_cpu_seconds", f.plain_write_cpu_seconds);
  object.set("read_seconds", f.read_seconds).set("plain_read_seconds", f.plain_read_seconds);
  object.set("read_share", f.read_share).set("step_seconds", f.step_seconds);
  object.set("slowest_step_seconds", f.slowest_step_seconds).set("begin_seconds", f.begin_seconds);
  object.set("lost_seconds", f.lost_seconds).set("save_seconds", f.save_seconds);
  object.set("steps_meanwhile", f.steps_meanwhile);
  return object.dump() + "\n";
}

std::string checkpoint_text(const CheckpointFigures& f, std::int64_t ranks) {
  const double gigabytes = static_cast<double>(f.size_bytes) * 1e-9;
  std::string text = fmt::format(
      "checkpoint    {} in {} writes (mean {}) of {} rank(s) in '{}', medians of {} pairs\n",
      base::format_bytes(f.size_bytes), f.num_writes,
      base::format_bytes(f.size_bytes / static_cast<std::uint64_t>(std::max<std::int64_t>(f.num_writes, 1))), ranks,
      f.folder, kCheckpointPairs);
  text +=
      fmt::format("  write       {:.3f} s, {:.2f} GB/s; a plain parallel write {:.3f} s, {:.2f} GB/s: share {:.3f}\n",
                  f.write_seconds, gigabytes / f.write_seconds, f.plain_write_seconds,
                  gigabytes / f.plain_write_seconds, f.write_share);
  text += fmt::format(
      "  read        {:.3f} s, {:.2f} GB/s; a plain parallel read {:.3f} s, {:.2f} GB/s: share {:.3f}\n",
      f.read_seconds, gigabytes / f.read_seconds, f.plain_read_seconds, gigabytes / f.plain_read_seconds, f.read_share);
  text += fmt::format(
      "  while training goes on: {:.3f} s over {} steps; training stood still for {:.3f} s, a step of {:.3f} s took up "
      "to {:.3f} s, lost in all {:.3f} s (plain writing takes {:.3f} s of CPU a rank)\n",
      f.save_seconds, f.steps_meanwhile, f.begin_seconds, f.step_seconds, f.slowest_step_seconds, f.lost_seconds,
      f.plain_write_cpu_seconds / static_cast<double>(ranks));
  return text;
}

}  // namespace tessera::tools
