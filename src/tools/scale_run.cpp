// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <memory>

#include "jobs/program.hpp"
#include "jobs/run_facts.hpp"
#include "jobs/site.hpp"
#include "scaling/report.hpp"
#include "scaling/runner.hpp"
#include "scaling/submission.hpp"
#include "tools/common.hpp"
#include "tools/scale.hpp"
#include "tools/stop_request.hpp"
#include "train/run_lock.hpp"

namespace tessera::tools {
namespace {

/// Lines on the way go where they do not disturb what a program reads.
std::function<void(const std::string&)> teller(const ScaleCall& call) {
  if (call.has("quiet")) return [](const std::string&) {};
  std::FILE* stream = call.has("json") ? stderr : stdout;
  return [stream](const std::string& line) {
    fmt::print(stream, "{}\n", line);
    std::fflush(stream);
  };
}

/// Keeps others from measuring or queueing the same at the same time, and from changing what is kept.
std::unique_ptr<train::RunLock> lock_of(const std::string& folder) {
  if (jobs::is_run_folder(folder))
    base::fail_usage("--output = '{}' is the folder of a training: choose another one for the study", folder);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) base::fail_system("folder '{}' cannot be made: {}", folder, error.message());
  std::string note;
  auto lock = std::make_unique<train::RunLock>(folder, note, "--output");
  if (!note.empty()) fmt::print(stderr, "note: {}\n", note);
  return lock;
}

/// The plan of the call's question, which its folder now holds.
scaling::Study open_study(const ScaleCall& call, const scaling::Folder& folder) {
  const scaling::Study study = scaling::plan(call.question);
  folder.keep_question(call.question);
  if (call.has("retry"))
    for (const scaling::Point& point : study.points) folder.forget_failures(point, call.question.num_repeats);
  return study;
}

void require_point(const scaling::Study& study, const std::string& name) {
  std::string known;
  for (const scaling::Point& point : study.points) {
    if (point.name == name) return;
    known += "\n  " + point.name;
  }
  base::fail_usage("--only = '{}' is no point of this study, which has{}", name, known);
}

scaling::SubmitSettings submit_settings(const ScaleCall& call) {
  scaling::SubmitSettings settings;
  settings.program = jobs::path_of_this_program();
  settings.site = jobs::find_site(settings.program);
  settings.timeout_seconds = call.timeout_seconds;
  if (call.has("sbatch")) settings.sbatch_options = call.flags.flags.at("sbatch");
  settings.tell = teller(call);
  return settings;
}

/// Waits for all that was queued.
scaling::RunTotals wait_for_all(const scaling::Study& study, const scaling::Folder& folder) {
  scaling::WaitSettings settings;
  settings.stop_requested = stop_requested;
  settings.warn = [](const std::string& warning) { fmt::print(stderr, "warning: {}\n", warning); };
  const std::vector<std::string> left = scaling::wait_for_jobs(study, folder, settings);
  if (left.empty()) return {};
  fmt::print(stderr, "{} job(s) stay queued or go on; to end them: scancel {}\n", left.size(), fmt::join(left, " "));
  return {0, 0, true};
}

/// Queues what is missing.
std::int64_t submit_all(const ScaleCall& call, const scaling::Folder& folder) {
  const scaling::SubmitSettings settings = submit_settings(call);
  const std::unique_ptr<train::RunLock> lock = lock_of(call.output);
  return scaling::submit_study(open_study(call, folder), folder, settings);
}

scaling::RunTotals run_here(const ScaleCall& call, const scaling::Folder& folder) {
  scaling::RunSettings settings;
  settings.program = jobs::path_of_this_program();
  settings.timeout_seconds = call.timeout_seconds;
  settings.only = call.text("only", "");
  if (!settings.only.empty()) require_point(scaling::plan(call.question), settings.only);
  settings.stop_requested = stop_requested;
  settings.tell = teller(call);
  // Points of their own may be measured side by side, on nodes of their own.
  const std::unique_ptr<train::RunLock> lock =
      lock_of(call.output + (settings.only.empty() ? "" : "/points/" + settings.only));
  const scaling::Study study = open_study(call, folder);
  const std::unique_ptr<jobs::Executor> ranks = call.executor == Executor::local
                                                    ? jobs::local_executor(call.question.cores)
                                                    : jobs::step_executor(jobs::slurm_allocation());
  return scaling::run_study(study, folder, *ranks, settings);
}

/// Whether every number of ranks has a layout with figures.
bool is_answered(const scaling::Summary& summary) {
  for (const scaling::SeriesSummary& series : summary.series)
    for (const scaling::Row& row : series.rows)
      if (!row.best) return false;
  return true;
}

}  // namespace

base::ExitCode scale_run(const std::vector<std::string>& arguments) {
  if (wants_help(arguments)) {
    fmt::print("{}", scale_help(ScaleAction::run));
    return base::ExitCode::done;
  }
  const ScaleCall call = read_scale_call(arguments, ScaleAction::run);
  listen_for_stop_signals(false);
  const scaling::Folder folder(call.output);
  if (call.executor == Executor::slurm) submit_all(call, folder);
  const scaling::Study study = scaling::plan(call.question);
  const scaling::RunTotals totals =
      call.executor == Executor::slurm ? wait_for_all(study, folder) : run_here(call, folder);
  if (totals.stopped) {
    fmt::print(stderr, "stopped on request: the same again goes on with what '{}' lacks\n", call.output);
    return base::ExitCode::stopped;
  }
  if (call.has("only")) return totals.failed > 0 ? base::ExitCode::failed : base::ExitCode::done;
  const scaling::Summary summary = scaling::summarize(study, folder);
  fmt::print("{}", call.has("json") ? scaling::report_json(summary) : "\n" + scaling::report_text(summary));
  return is_answered(summary) ? base::ExitCode::done : base::ExitCode::failed;
}

base::ExitCode scale_submit(const std::vector<std::string>& arguments) {
  if (wants_help(arguments)) {
    fmt::print("{}", scale_help(ScaleAction::submit));
    return base::ExitCode::done;
  }
  const ScaleCall call = read_scale_call(arguments, ScaleAction::submit);
  const scaling::Folder folder(call.output);
  const std::int64_t num_jobs = submit_all(call, folder);
  if (num_jobs == 0)
    fmt::print("nothing to queue: every point has its results, failed (--retry runs it again) or is queued\n");
  fmt::print("when they are done: tessera scale report {}\n", call.output);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
