// SPDX-License-Identifier: Apache-2.0
#include "scaling/runner.hpp"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <fmt/core.h>
#include <sstream>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "base/units.hpp"

namespace tessera::scaling {
namespace {

constexpr std::size_t kLongestCause = 500;  // bytes

std::string shell_line(const jobs::LaunchCommand& command) {
  std::string line;
  for (const std::vector<std::string>* words : {&command.environment, &command.words})
    for (const std::string& word : *words) line += (line.empty() ? "" : " ") + jobs::shell_quoted(word);
  return line;
}

/// The last line that begins with or else contains `text`.
std::string last_line(const std::string& lines, const std::string& text) {
  std::istringstream stream(lines);
  std::string containing, beginning;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty()) continue;
    if (line.find(text) != std::string::npos) containing = line;
    if (line.starts_with(text)) beginning = line;
  }
  return beginning.empty() ? containing : beginning;
}

/// The first line with a letter in it: launchers frame what they say with rulers.
std::string first_line(const std::string& lines) {
  std::istringstream stream(lines);
  for (std::string line; std::getline(stream, line);)
    if (std::any_of(line.begin(), line.end(), [](unsigned char c) { return std::isalpha(c) != 0; })) return line;
  return "";
}

/// What bench said goes first, then what MPI or Slurm say of a rank that was killed, then whatever was said.
std::string last_words(const std::string& errors) {
  for (const char* sign : {"error: ", "oom", "Out Of Memory", "signal", "rror"})
    if (const std::string line = last_line(errors, sign); !line.empty()) return line.substr(0, kLongestCause);
  return first_line(errors).substr(0, kLongestCause);
}

class Runner {
 public:
  Runner(const Study& study, const Folder& folder, const jobs::Executor& executor, const RunSettings& settings)
      : study_(study), folder_(folder), executor_(executor), settings_(settings) {}

  RunTotals run() {
    count_missing();
    for (std::int64_t repeat = 1; repeat <= study_.question.num_repeats; ++repeat)
      for (const Point& point : study_.points) {
        if (!is_missing(point, repeat)) continue;
        if (settings_.stop_requested() || !measure(point, repeat)) {
          totals_.stopped = true;
          return totals_;
        }
      }
    return totals_;
  }

 private:
  bool is_asked(const Point& point) const {
    return point.refused.empty() && (settings_.only.empty() || settings_.only == point.name);
  }
  bool is_missing(const Point& point, std::int64_t repeat) const {
    if (!is_asked(point)) return false;
    for (std::int64_t earlier = 1; earlier < repeat; ++earlier)
      if (const auto result = folder_.result(point, earlier); result && !result->failure.empty()) return false;
    return !folder_.result(point, repeat);
  }
  void count_missing() {
    for (const Point& point : study_.points)
      for (std::int64_t repeat = 1; repeat <= study_.question.num_repeats; ++repeat)
        num_missing_ += is_missing(point, repeat);
  }

  /// False if it was stopped before its end.
  bool measure(const Point& point, std::int64_t repeat) {
    std::vector<std::string> words = {settings_.program, "bench"};
    const std::vector<std::string> options = bench_options(study_.question, point);
    words.insert(words.end(), options.begin(), options.end());
    const jobs::Launch launch = launch_of(study_.question, point, std::move(words));
    const std::string title = fmt::format("[{}/{}] {}, run {} of {}", ++num_done_, num_missing_, point.name, repeat,
                                          study_.question.num_repeats);
    const base::Clock::time_point start = base::Clock::now();
    const jobs::ProgramEnd end = executor_.run(launch, settings_.timeout_seconds, settings_.stop_requested);
    if (end.stopped) return false;
    if (point.ranks == 1 && end.exit_code == static_cast<int>(base::ExitCode::usage)) refuse(end.errors);
    RunEnd kept{"", shell_line(executor_.command(launch)), end.output, base::seconds_since(start), end.exit_code};
    Result result;
    if (!end.succeeded())
      kept.failure = cause_of(end, settings_.timeout_seconds);
    else
      result = figures(kept);
    folder_.keep_result(point, repeat, kept);
    (kept.failure.empty() ? totals_.measured : totals_.failed) += 1;
    settings_.tell(kept.failure.empty() ? fmt::format("{}: {:.0f} tokens/s", title, result.tokens_per_second)
                                        : fmt::format("{}: failed: {}", title, kept.failure));
    return true;
  }

  /// What one rank calls bad usage is wrong at every point: data that are not there, say.
  [[noreturn]] static void refuse(const std::string& errors) {
    const std::string mark = "error: ";
    const std::size_t at = errors.find(mark);
    std::string text = at == std::string::npos ? errors : errors.substr(at + mark.size());
    while (text.ends_with('\n')) text.pop_back();
    throw base::UsageError(text);
  }

  /// Of a run that ended well. What it printed may still be no figures: a launcher's own lines, say.
  Result figures(RunEnd& kept) const {
    const std::size_t begin = kept.output.find('{'), end = kept.output.rfind('}');
    try {
      if (begin == std::string::npos || end == std::string::npos) base::fail("it printed no figures");
      kept.output = kept.output.substr(begin, end - begin + 1);
      return read_bench(json::parse(kept.output, "output of tessera bench"));
    } catch (const base::Error& error) {
      kept.failure = error.what();
      return {};
    }
  }

  const Study& study_;
  const Folder& folder_;
  const jobs::Executor& executor_;
  const RunSettings& settings_;
  RunTotals totals_;
  std::int64_t num_missing_ = 0, num_done_ = 0;
};

}  // namespace

std::string cause_of(const jobs::ProgramEnd& end, double timeout_seconds) {
  if (end.timed_out) return fmt::format("no end within {} (--timeout)", base::format_seconds(timeout_seconds));
  const std::string words = last_words(end.errors);
  std::string how = fmt::format("exit code {}", end.exit_code);
  if (end.exit_code == 128 + SIGKILL) how += " (killed, as by the system when memory is short)";
  return words.empty() ? how : fmt::format("{}: {}", how, words);
}

RunTotals run_study(const Study& study, const Folder& folder, const jobs::Executor& executor,
                    const RunSettings& settings) {
  return Runner(study, folder, executor, settings).run();
}

}  // namespace tessera::scaling
