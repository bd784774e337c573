// SPDX-License-Identifier: Apache-2.0
#include "faults/test_stand.hpp"

#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <iterator>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <sys/stat.h>

#include "base/stopwatch.hpp"
#include "faults/shim_options.hpp"

namespace tessera::faults {

namespace fs = std::filesystem;
using testing::shell_quoted;

std::string checkpoint_path(const std::string& run, std::int64_t step) {
  return fmt::format("{}/checkpoints/step-{:08}.h5", run, step);
}

std::vector<std::string> comparable_steps(const std::string& run) {
  std::vector<std::string> lines;
  std::istringstream file(testing::read_file(run + "/metrics.jsonl"));
  for (std::string line; std::getline(file, line);)
    if (line.find("\"loss\"") != std::string::npos) lines.push_back(line.substr(0, line.find("\"seconds\"")));
  return lines;
}

namespace {

bool is_dead(std::int32_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::size_t behind_name = text.rfind(')');
  return behind_name == std::string::npos || text.compare(behind_name, 3, ") Z") == 0;
}

/// mpirun (Open MPI 4.1.4 with PMIx 4.2.2) sometimes never comes back from PMIx_server_finalize(), where it waits for a
/// lock of its own, when a rank died in MPI_Init. That is no hang of the ranks: all of them are dead.
class LauncherWatch {
 public:
  LauncherWatch(const SharedPage& page, int ranks) : page_(page), ranks_(ranks) {}

  /// All ranks have been dead for a time in which mpirun otherwise ends.
  bool is_stuck() {
    if (base::seconds_since(looked_) < kLookSeconds) return false;
    looked_ = base::Clock::now();
    bool all_dead = true;
    for (int rank = 0; rank < ranks_; ++rank) all_dead = all_dead && page_.pids[rank] > 0 && is_dead(page_.pids[rank]);
    if (!all_dead) alive_ = looked_;
    return base::seconds_since(alive_) > kMostSeconds;
  }

 private:
  static constexpr double kLookSeconds = 0.2, kMostSeconds = 10;
  const SharedPage& page_;
  int ranks_;
  base::Clock::time_point looked_ = base::Clock::now(), alive_ = looked_;
};

}  // namespace

TestStand::TestStand(double limit_seconds) : limit_seconds_(limit_seconds) {
  const std::string text = folder_ / "text.txt", tokens = folder_ / "tokens.h5";
  testing::write_file(text, testing::sample_text(20000));
  const CommandResult prepared = run_limited(testing::tessera() + " data prepare --input " + shell_quoted(text) +
                                                 " --tokenizer bytes --output " + shell_quoted(tokens),
                                             limit_seconds);
  if (prepared.exit_code != 0) throw std::runtime_error("tessera data prepare: " + prepared.errors);
  testing::write_file(config_, fmt::format("[run]\nsteps = {}\nseed = 3\nlog_interval = 1\n[model]\nlayers = 2\n"
                                           "hidden = 16\nheads = 2\ncontext = 8\ndropout = 0.1\n[data]\ntrain = {}\n"
                                           "[optim]\nlr = 1e-3\nbatch = 12\n[checkpoint]\ninterval = {}\nkeep = {}\n"
                                           "[parallel]\ntimeout = 60\n",
                                           num_steps, tokens, steps_between_saves, kept_files));
}

std::string TestStand::new_run() {
  return folder_ / fmt::format("run-{}", ++num_runs_);
}

CommandResult TestStand::train(const Round& round, const std::string& run, ShimSettings settings,
                               const std::string& options, const std::function<void()>& meanwhile) {
  page_.clear();
  settings.folder = run;
  settings.shared = page_path_;
  // Files of killed ranks stay where they lie: in this folder they go with it.
  const std::string mpirun_options = fmt::format("--mca orte_tmpdir_base {0} --mca btl_vader_backing_directory {0} {1}",
                                                 shell_quoted(folder_.path()), shim_options(settings));
  const std::string command =
      fmt::format("{} train --config {} --run.dir {} --checkpoint.async={} {} {}",
                  testing::tessera_on(round.layout->ranks, mpirun_options), shell_quoted(config_), shell_quoted(run),
                  round.async, round.layout->options, options);
  LauncherWatch watch(page(), round.layout->ranks);
  return run_limited(command, limit_seconds_, [&] {
    meanwhile();
    return watch.is_stuck();
  });
}

const Reference& TestStand::reference(const Round& round) {
  std::unique_ptr<Reference>& reference = references_[{round.layout, round.async}];
  if (!reference) reference = make_reference(round);
  return *reference;
}

std::unique_ptr<Reference> TestStand::make_reference(const Round& round) {
  auto reference = std::make_unique<Reference>();
  const auto run = [&](const std::string& dir, const std::string& options) {
    base::Clock::time_point ranks_started{};
    const CommandResult result = train(round, dir, {}, options, [&] {
      if (page().pids[0] > 0 && ranks_started == base::Clock::time_point{}) ranks_started = base::Clock::now();
    });
    if (result.exit_code != 0)
      throw std::runtime_error(fmt::format("an undisturbed run over {} fails: {}", round.layout->name, result.errors));
    reference->seconds = base::seconds_since(ranks_started);
  };
  reference->stopped_run = new_run();
  run(reference->stopped_run, fmt::format("--run.stop_after {}", stopped_step));
  struct stat status {};
  if (::stat(checkpoint_path(reference->stopped_run, stopped_step).c_str(), &status) != 0)
    throw std::runtime_error("an undisturbed run leaves no checkpoint");
  reference->file_bytes = static_cast<std::uint64_t>(status.st_size);
  reference->disk_bytes = static_cast<std::uint64_t>(status.st_blocks) * 512;
  const std::string whole = new_run();
  run(whole, "");
  reference->tensors = read_tensors(checkpoint_path(whole, num_steps));
  reference->metrics = comparable_steps(whole);
  for (int rank = 0; rank < round.layout->ranks; ++rank) reference->tiles.push_back(page().tiles[rank]);
  reference->bytes_written = page().bytes_written;
  reference->syncs = page().syncs;
  reference->order = page().order;
  fs::remove_all(whole);
  if (std::accumulate(reference->tiles.begin(), reference->tiles.end(), std::uint64_t{0}) == 0 || reference->syncs == 0)
    throw std::runtime_error("the shim saw no save: points.hpp and shim_state.cpp must follow what saves do");
  return reference;
}

}  // namespace tessera::faults
