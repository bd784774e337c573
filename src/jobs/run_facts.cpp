// SPDX-License-Identifier: Apache-2.0
#include "jobs/run_facts.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <ios>
#include <iterator>
#include <limits>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/quantile.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "config/parse.hpp"
#include "json/json.hpp"
#include "metrics/lines.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTailBytes = 256 << 10;  // of metrics.jsonl: about a thousand steps
constexpr std::size_t kMedianSteps = 20;

/// What makes a folder that of a run, one of them at least.
constexpr const char* kMarks[] = {"config.cfg", "metrics.jsonl", "checkpoints", "log/starts.jsonl",
                                  "log/submits.jsonl"};

void require_run_folder(const std::string& dir) {
  std::error_code error;
  const fs::file_status status = fs::status(dir, error);
  if (!fs::exists(status)) base::fail_usage("'{}' does not exist: name the run.dir of a training", dir);
  if (!fs::is_directory(status)) base::fail_usage("'{}' is a file: name the run.dir of a training, a folder", dir);
  if (::access(dir.c_str(), R_OK | X_OK) != 0)
    base::fail_usage("'{}' cannot be read: {}. Ask its owner to open it to you, as with chmod -R go+rX", dir,
                     std::strerror(errno));
  if (is_run_folder(dir)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(dir, error))
    if (is_run_folder(entry.path().string()))
      base::fail_usage("'{}' is no run folder, but holds some, as '{}': name those, as in tessera status {}/*", dir,
                       entry.path().filename().string(), dir);
  base::fail_usage(
      "'{}' is no run folder: it holds no config.cfg, no metrics.jsonl, no checkpoints and no log/starts.jsonl. Name "
      "the run.dir of a training",
      dir);
}

/// Names of what is there and may not be read.
std::vector<std::string> closed_parts(const std::string& dir) {
  std::vector<std::string> closed;
  for (const char* part : {"lock", "log", "log/starts.jsonl", "config.cfg", "metrics.jsonl", "checkpoints"}) {
    const std::string path = dir + "/" + part;
    const bool is_folder = ::access((path + "/.").c_str(), F_OK) == 0;
    if (::access(path.c_str(), is_folder ? R_OK | X_OK : R_OK) != 0 && errno == EACCES) closed.emplace_back(part);
  }
  return closed;
}

std::optional<double> change_time(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return {};
  return static_cast<double>(about.st_mtim.tv_sec) + 1e-9 * static_cast<double>(about.st_mtim.tv_nsec);
}

double number(const json::Json& line, const char* key) {
  const json::Json* value = line.find(key);
  return value && value->is_number() ? value->as_double() : std::nan("");
}

struct StepLine {
  std::int64_t step = 0, tokens = 0;
  double loss = 0, seconds = 0, tokens_per_second = 0;
};

/// Of the last steps, those of this start if it has any.
void take_speed(const std::vector<StepLine>& steps, std::int64_t from_step, Progress& progress) {
  progress.is_of_this_start = !steps.empty() && steps.back().step > from_step;
  std::vector<double> seconds, rates;
  for (auto line = steps.rbegin(); line != steps.rend() && rates.size() < kMedianSteps; ++line) {
    if (progress.is_of_this_start && line->step <= from_step) break;
    seconds.push_back(line->seconds);
    rates.push_back(line->tokens_per_second);
  }
  if (rates.empty()) return;
  progress.seconds_per_step = base::median(seconds);
  progress.tokens_per_second = base::median(rates);
}

/// A start that has no end and holds no lock is dead, unless it took the lock or recorded its end between the two
/// looks.
void read_last_start(RunFacts& run) {
  constexpr int kLooks = 3;
  constexpr auto kBetween = std::chrono::milliseconds(100);
  for (int look = 1;; ++look) {
    run.lock = train::look_at_lock(run.dir);
    run.starts = metrics::read_starts(run.dir);
    const bool looks_dead = run.last_start() && !run.last_start()->end && !(run.lock && run.lock->is_alive);
    if (!looks_dead || look == kLooks) return;
    std::this_thread::sleep_for(kBetween);
  }
}

void read_config(RunFacts& run) {
  const std::string path = run.dir + "/config.cfg";
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    run.config_problem = "there is no config.cfg";
    return;
  }
  try {
    run.config = config::parse_text({std::istreambuf_iterator<char>(file), {}}, path);
  } catch (const base::Error& error) {
    run.config_problem = error.what();
  } catch (const std::ios_base::failure&) {  // a folder of that name
    run.config_problem = fmt::format("'{}' cannot be read", path);
  }
}

/// `is_held`: a training holds the run folder, so that a file that is not finished is being written.
std::optional<NewestCheckpoint> newest_checkpoint(const std::string& dir, bool is_held) {
  try {
    const std::vector<std::string> paths = checkpoint::list_newest_first(dir);
    if (paths.empty()) return {};
    NewestCheckpoint newest;
    newest.path = paths.front();
    newest.step = checkpoint::step_of(fs::path(newest.path).filename().string()).value_or(0);
    newest.time_seconds = change_time(newest.path).value_or(0);
    for (const checkpoint::Remnant& remnant : checkpoint::list_remnants(dir))
      if (!remnant.is_aside) (is_held ? newest.is_saving : newest.was_cut) = true;
    return newest;
  } catch (const base::Error&) {  // a folder that may not be read
    return {};
  }
}

}  // namespace

Progress progress_of(const std::vector<std::string>& lines, std::int64_t from_step) {
  Progress progress;
  std::vector<StepLine> steps;
  for (const std::string& text : lines) {
    try {
      const json::Json line = json::parse(text, "metrics.jsonl");
      const json::Json* loss = line.find("loss");
      if (line.find("valid_loss")) {
        progress.valid_step = line.at("step").as_int();
        progress.valid_loss = number(line, "valid_loss");
        progress.bits_per_byte = number(line, "bits_per_byte");
      } else if (loss) {
        steps.push_back({line.at("step").as_int(), line.at("tokens").as_int(), number(line, "loss"),
                         line.at("seconds").as_double(), line.at("tokens_per_second").as_double()});
      }
    } catch (const base::Error&) {  // damaged
    }
  }
  take_speed(steps, from_step, progress);
  if (steps.empty()) return progress;
  progress.step = steps.back().step;
  progress.tokens = steps.back().tokens;
  progress.loss = steps.back().loss;
  return progress;
}

bool is_run_folder(const std::string& dir) {
  std::error_code ignored;
  return std::any_of(std::begin(kMarks), std::end(kMarks),
                     [&](const char* mark) { return fs::exists(dir + "/" + mark, ignored); });
}

RunFacts read_run(const std::string& dir) {
  require_run_folder(dir);
  RunFacts run;
  run.dir = dir;
  while (run.dir.size() > 1 && run.dir.ends_with('/')) run.dir.pop_back();
  run.closed = closed_parts(run.dir);
  read_last_start(run);
  run.errors = metrics::read_rank_errors(run.dir);
  run.submissions = read_submissions(run.dir);
  run.history = newest_history(run.dir);
  read_config(run);
  run.checkpoint = newest_checkpoint(run.dir + "/checkpoints", run.lock && run.lock->is_alive);
  const std::string metrics_path = run.dir + "/metrics.jsonl";
  const metrics::Start* start = run.last_start();
  // No step is of a start that still loads.
  const std::int64_t from_step = start ? start->from_step.value_or(std::numeric_limits<std::int64_t>::max()) : 0;
  run.progress = progress_of(metrics::last_lines(metrics_path, kTailBytes), from_step);
  run.progress.age_seconds = metrics::wall_seconds() - change_time(metrics_path).value_or(metrics::wall_seconds());
  return run;
}

std::vector<std::string> RunFacts::jobs() const {
  std::vector<std::string> ids;
  const auto add = [&](const std::string& id) {
    if (!id.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  constexpr std::size_t kMostSubmissions = 20;  // Slurm has forgotten those before
  for (std::size_t i = submissions.size() - std::min(kMostSubmissions, submissions.size()); i < submissions.size(); ++i)
    add(submissions[i].job);
  if (history) add(history->job);
  if (last_start()) add(last_start()->begin.job_id());
  return ids;
}

}  // namespace tessera::jobs
