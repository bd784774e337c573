// SPDX-License-Identifier: Apache-2.0
#include "jobs/run_status.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "base/error.hpp"
#include "base/units.hpp"
#include "config/validate.hpp"
#include "metrics/lines.hpp"
#include "optim/batch_schedule.hpp"
#include "train/flops.hpp"

namespace tessera::jobs {
namespace {

using metrics::RankError;
using metrics::Start;

constexpr double kLeadSeconds = 180;  // of slurm/train.sbatch, where the start does not tell its own

/// The job that waits or runs, else the one of the last start, else the last that was submitted.
std::optional<QueuedJob> job_of(const RunFacts& run, const Queue& queue) {
  for (const QueuedJob& job : queue.jobs)
    if (job.is_active() && !job.is_waiting()) return job;
  for (const QueuedJob& job : queue.jobs)
    if (job.is_active()) return job;
  const Start* start = run.last_start();
  std::string last = start ? start->begin.job_id() : "";
  if (!run.submissions.empty() && (!start || run.submissions.back().time_seconds > start->begin.time_seconds))
    last = run.submissions.back().job;
  for (const QueuedJob& job : queue.jobs)
    if (job.id == last) return job;
  return {};
}

/// The error of a rank that came first: the others follow from it.
const RankError* first_error(const RunFacts& run, const Start& start) {
  const auto first = std::find_if(run.errors.begin(), run.errors.end(),
                                  [&](const RankError& error) { return error.start == start.number; });
  return first == run.errors.end() ? nullptr : &*first;
}

std::string words_of(const RankError& error) {
  return fmt::format("rank {} on {}, after step {}: {}", error.rank, error.host, error.step, error.error);
}

/// Whether the job of a start began another one, whose ranks have recorded nothing.
bool has_later_start(const RunFacts& run, const Start& start) {
  return run.history && run.history->job == start.begin.job_id() && start.begin.restart &&
         run.history->last_number > *start.begin.restart;
}

/// The newest submission, if no rank of its job has recorded a start.
const Submission* unstarted(const RunFacts& run) {
  if (run.submissions.empty()) return nullptr;
  const Submission& last = run.submissions.back();
  if (run.last_start() && last.time_seconds <= run.last_start()->begin.time_seconds) return nullptr;
  const bool started = std::any_of(run.starts.begin(), run.starts.end(),
                                   [&](const Start& start) { return start.begin.job_id() == last.job; });
  return started ? nullptr : &last;
}

bool is_bad_end(const QueuedJob& job) {
  return !job.is_active() && job.state != "COMPLETED" && job.state != "FAILED";
}

void judge_dead(const RunFacts& run, const Start& start, const std::string& accounted, RunStatus& status) {
  const RankError* error = first_error(run, start);
  status.state = error ? RunState::failed : RunState::died;
  status.reason = error ? words_of(*error)
                        : fmt::format("start {} on {} ended without a word: it was killed, or its node was lost",
                                      start.number, start.begin.host);
  if (error) status.exit_code = error->exit_code;
  if (run.history && run.history->job == start.begin.job_id() && run.history->last_code)
    status.notes.push_back(fmt::format("the job script saw exit code {}", *run.history->last_code));
  std::string end = accounted;
  if (status.job && status.job->id == start.begin.job_id() && is_bad_end(*status.job)) end = status.job->state;
  if (!end.empty()) status.notes.push_back(fmt::format("Slurm says of job {}: {}", start.begin.job_id(), end));
}

/// The job began another start, which ended in its script or its launcher.
void judge_later_start(const RunFacts& run, RunStatus& status) {
  const JobHistory& history = *run.history;
  const bool asked = history.last_code == static_cast<int>(base::ExitCode::stopped);
  status.state = asked ? RunState::stopped : RunState::failed;
  status.exit_code = history.last_code;
  status.reason = fmt::format("start {} of job {} {} before it trained", history.last_number, history.job,
                              asked ? "was asked to stop" : "ended");
  if (history.last_code) status.reason += fmt::format(" (exit code {})", *history.last_code);
  for (const Submission& one : run.submissions)
    if (one.job == history.job) status.reason += fmt::format(": see '{}'", one.output);
}

void judge_unstarted(const Submission& last, RunStatus& status) {
  status.state = RunState::failed;
  status.reason =
      fmt::format("job {} {} and never trained: see '{}'", last.job,
                  status.job ? "ended as " + status.job->state : "is not in the queue any more", last.output);
}

void judge_ended(const RunFacts& run, const Start& start, RunStatus& status) {
  const metrics::StartEnd& end = *start.end;
  status.exit_code = end.exit_code;
  const RankError* error = first_error(run, start);
  const std::string words = error ? words_of(*error) : end.error;
  switch (end.exit_code) {
    case static_cast<int>(base::ExitCode::done):
      status.state = end.step >= start.begin.steps ? RunState::finished : RunState::stopped;
      status.reason = status.state == RunState::finished
                          ? fmt::format("run.steps = {} are done", start.begin.steps)
                          : fmt::format("run.stop_after was reached at step {}", end.step);
      return;
    case static_cast<int>(base::ExitCode::stopped):
      status.state = RunState::stopped;
      status.reason = fmt::format("asked to stop at step {} (exit code 85)", end.step);
      return;
    default:
      status.state = RunState::failed;
      status.reason = fmt::format("{} (exit code {})", words.empty() ? "no error was recorded" : words, end.exit_code);
  }
}

std::string holder_of(const train::LockSight& lock) {
  return lock.host.empty() ? "a process that its lock does not name"
                           : fmt::format("process {} on {}", lock.pid, lock.host);
}

/// Of a folder without a record, as of versions before there was one.
void judge_without_record(const RunFacts& run, RunStatus& status) {
  const std::int64_t step = std::max(run.progress.step, run.checkpoint ? run.checkpoint->step : 0);
  if (status.steps > 0 && step >= status.steps) {
    status.state = RunState::finished;
    status.reason = fmt::format("run.steps = {} are done", status.steps);
  } else if (run.lock) {
    status.state = RunState::died;
    status.reason = holder_of(*run.lock) + " is gone and left its lock";
  } else if (!run.submissions.empty()) {
    judge_unstarted(run.submissions.back(), status);
  } else {
    status.state = RunState::stopped;
    status.reason = "nothing holds the folder, and it has no record of how the last start ended";
  }
}

/// Whether the job script asks for no other start after this exit code.
bool is_last_of_job(int code) {
  return code == static_cast<int>(base::ExitCode::done) ||
         (code != static_cast<int>(base::ExitCode::stopped) && !is_crash(code));
}

/// A job that may wait or run for all that the folder tells; "" if there is none.
std::string open_job(const RunFacts& run) {
  std::string open;
  for (const std::string& id : run.jobs()) {
    const auto start = std::find_if(run.starts.rbegin(), run.starts.rend(),
                                    [&](const Start& one) { return one.begin.job_id() == id; });
    if (start == run.starts.rend() || !start->end || !is_last_of_job(start->end->exit_code)) open = id;
  }
  return open;
}

bool is_finished(const RunFacts& run) {
  const Start* start = run.last_start();
  return start && start->end && start->end->exit_code == 0 && start->end->step >= start->begin.steps;
}

void judge_active_job(const RunFacts& run, const QueuedJob& job, RunStatus& status) {
  const Start* start = run.last_start();
  const bool is_of_job = start && start->begin.job_id() == job.id;
  const bool is_last = is_of_job && start->end && is_last_of_job(start->end->exit_code);
  if (is_last && !job.is_waiting() && !has_later_start(run, *start)) {  // the job script is at its end
    judge_ended(run, *start, status);
    return;
  }
  if (!job.is_waiting()) {
    status.state = RunState::starting;
    status.reason = fmt::format("job {} is {} on {}, and no rank holds the run folder yet or any more", job.id,
                                job.state, job.nodes);
    return;
  }
  const bool had_start = is_of_job || (run.history && run.history->job == job.id);
  status.state = had_start ? RunState::requeued : RunState::waiting;
  status.reason = fmt::format("job {} waits: {}{}", job.id, describe_reason(job.reason),
                              job.state == "PENDING" ? "" : ", as " + job.state);
}

void judge_suspended(const QueuedJob& job, RunStatus& status) {
  status.state = RunState::suspended;
  status.reason = fmt::format("Slurm stopped the processes of job {}: {}", job.id, job.state);
}

void judge_unknown(const std::string& job, const std::string& problem, RunStatus& status) {
  status.state = RunState::unknown;
  status.reason = fmt::format("no rank holds the folder, and job {} may wait or run: {}", job, problem);
}

void judge_locked(const RunFacts& run, RunStatus& status) {
  const Start* start = run.last_start();
  const bool is_recorded = start && !start->end && start->begin.pid == run.lock->pid;
  const bool loads = is_recorded && !start->from_step;
  status.state = loads ? RunState::starting : RunState::running;
  const std::string job = is_recorded ? start->begin.job_id() : run.lock->job;  // a start knows its task of an array
  status.reason = fmt::format("{}{}{}", holder_of(*run.lock), job.empty() ? "" : ", job " + job,
                              loads ? ": it loads data and model" : "");
  if (start && !is_recorded)
    status.notes.push_back(
        "the folder is in use, but by no start that is recorded: another command, or a start at its end");
}

/// What of the record this user may not read, so that nothing can be said; "" if all of it is open.
std::string closed_record(const RunFacts& run) {
  for (const std::string& part : run.closed)
    if (part == "lock" || part.starts_with("log")) return part;
  return "";
}

void judge_state(const RunFacts& run, const std::string& problem, const std::string& accounted, RunStatus& status) {
  const Submission* lost = status.job && status.job->is_active() ? nullptr : unstarted(run);
  const bool is_cancelled = status.job && status.job->state == "CANCELLED";  // by a user, while it waited
  const std::string open = problem.empty() || (is_finished(run) && !lost) ? "" : open_job(run);
  const Start* start = run.last_start();
  if (const std::string closed = closed_record(run); !closed.empty()) {
    status.state = RunState::unknown;
    status.reason = fmt::format("you may not read '{}/{}'", run.dir, closed);
  } else if (status.job && status.job->is_suspended())
    judge_suspended(*status.job, status);
  else if (run.lock && run.lock->is_alive)
    judge_locked(run, status);
  else if (status.job && status.job->is_active())
    judge_active_job(run, *status.job, status);
  else if (!open.empty())
    judge_unknown(open, problem, status);
  else if (!start)
    judge_without_record(run, status);
  else if (lost && !is_cancelled)
    judge_unstarted(*lost, status);
  else if (has_later_start(run, *start))
    judge_later_start(run, status);
  else if (start->end)
    judge_ended(run, *start, status);
  else
    judge_dead(run, *start, accounted, status);
  if (start && lost && is_cancelled)
    status.notes.push_back(fmt::format("job {} was cancelled before it trained", lost->job));
  if (status.state == RunState::stopped) status.notes.push_back("start it again, or submit it again, and it goes on");
}

/// How the start before ended, where the run goes on.
void note_last_end(const RunFacts& run, RunStatus& status) {
  const Start* start = run.last_start();
  const bool goes_on =
      status.state == RunState::requeued || status.state == RunState::starting || status.state == RunState::unknown;
  if (!start || !goes_on) return;
  if (!start->end && run.lock && run.lock->is_alive) return;
  RunStatus before;
  if (start->end)
    judge_ended(run, *start, before);
  else
    judge_dead(run, *start, "", before);
  status.notes.insert(status.notes.end(), before.notes.begin(), before.notes.end());
  status.notes.push_back(fmt::format("the last start {}: {}", name_of(before.state), before.reason));
}

void note_silence(const RunFacts& run, RunStatus& status) {
  constexpr double kSteps = 20, kSeconds = 120;
  const Progress& progress = run.progress;
  if (status.state != RunState::running || progress.step == 0 || !progress.is_of_this_start) return;
  if (progress.age_seconds > std::max(kSeconds, kSteps * progress.seconds_per_step))
    status.notes.push_back(
        fmt::format("no step for {}: it evaluates, saves, or hangs; '{}/heartbeat' tells what each "
                    "rank does",
                    base::format_seconds(progress.age_seconds), run.dir));
}

void estimate_speed(const RunFacts& run, RunStatus& status) {
  const Start* start = run.last_start();
  double gflop = start ? start->begin.gflop_per_token : 0;
  if (gflop == 0 && run.config && run.config->model.vocab > 0)
    gflop = train::flops_per_token(run.config->model).causal * 1e-9;
  status.gflops = gflop * run.progress.tokens_per_second;
  if (start && start->matrix_gflops.value_or(0) > 0 && status.gflops > 0 && run.progress.is_of_this_start)
    status.matrix_share = status.gflops / *start->matrix_gflops;
  if (status.matrix_share.value_or(0) > 1)
    status.notes.push_back("the matrix rate was measured too low, as other work ran at its start: see tessera bench");
}

void estimate_saves(const RunFacts& run, RunStatus& status) {
  if (!run.config || status.steps == 0 || run.progress.step >= status.steps) return;
  const std::int64_t interval = run.config->checkpoint.interval, step = run.progress.step;
  status.next_save_step = interval > 0 ? std::min(status.steps, (step / interval + 1) * interval) : status.steps;
  const bool goes_on = status.state == RunState::running && run.progress.seconds_per_step > 0;
  if (goes_on)
    status.next_save_seconds = static_cast<double>(*status.next_save_step - step) * run.progress.seconds_per_step;
}

/// Starts beyond the one that runs, or will run first, until `seconds` of training are done.
std::int64_t starts_needed(double seconds, double first_seconds, double usable_seconds) {
  if (seconds <= first_seconds) return 0;
  return static_cast<std::int64_t>(std::ceil((seconds - first_seconds) / usable_seconds));
}

void estimate_end(const RunFacts& run, double now, RunStatus& status) {
  const Start* start = run.last_start();
  if (!run.config || run.progress.tokens_per_second <= 0) return;
  // A run that is stopped goes on from its checkpoint, one that runs from where it is.
  const bool runs = status.state == RunState::running;
  const std::int64_t step = runs ? run.progress.step : run.checkpoint ? run.checkpoint->step : 0;
  const std::optional<double> tokens = tokens_left(*run.config, step);
  if (!tokens || *tokens <= 0) return;
  status.training_seconds = *tokens / run.progress.tokens_per_second;
  const bool is_job = status.job && status.job->is_active();
  if (!runs && !is_job) return;
  const double begins = is_job && status.job->is_waiting() ? std::max(now, status.job->start_time.value_or(now)) : now;
  status.end_time = begins + *status.training_seconds;
  if (!is_job || !status.job->limit_seconds) return;
  const double lead =
      start && start->begin.lead_seconds ? static_cast<double>(*start->begin.lead_seconds) : kLeadSeconds;
  const double usable = std::max(1.0, *status.job->limit_seconds - lead);
  const double first = status.job->is_waiting() ? 0 : status.job->seconds_left.value_or(0) - lead;
  status.more_starts = starts_needed(*status.training_seconds, std::max(0.0, first), usable);
}

void count_restarts(const RunFacts& run, RunStatus& status) {
  status.num_starts = static_cast<std::int64_t>(run.starts.size());
  if (!run.history) return;
  const JobHistory& history = *run.history;
  const bool ends_with_crash = history.last_code && is_crash(*history.last_code);
  const bool has_ended = !status.job || !status.job->is_active() || status.job->id != history.job;
  status.restarts = history.num_crashes - (ends_with_crash && has_ended ? 1 : 0);  // no start followed the last one
  const Start* start = run.last_start();
  if (start && start->begin.job_id() == run.history->job) status.max_restarts = start->begin.max_restarts;
}

}  // namespace

const char* name_of(RunState state) {
  constexpr const char* names[] = {"waiting", "requeued", "starting", "running", "suspended",
                                   "stopped", "finished", "failed",   "died",    "unknown"};
  return names[static_cast<int>(state)];
}

std::optional<double> tokens_left(const config::Config& config, std::int64_t step) {
  // A schedule asks for a configuration that is valid; this one comes from a file that anybody may have changed.
  config::Config alone = config;
  alone.parallel = {};
  alone.optim.micro_batch = 0;
  if (config.optim.batch <= 0 || config.run.steps <= 0 || !config::validate(alone, 1).empty()) return {};
  const optim::BatchSchedule batches(config.optim, config.model.context);
  const std::int64_t done = std::clamp<std::int64_t>(step, 0, config.run.steps);
  return static_cast<double>(batches.first_sample(config.run.steps) - batches.first_sample(done)) *
         static_cast<double>(config.model.context);
}

RunStatus judge(const RunFacts& run, const Queue& queue, double now, const std::string& accounted) {
  RunStatus status;
  status.job = job_of(run, queue);
  status.steps = run.last_start() ? run.last_start()->begin.steps : run.config ? run.config->run.steps : 0;
  judge_state(run, queue.problem, accounted, status);
  note_last_end(run, status);
  note_silence(run, status);
  if (!queue.problem.empty() && status.state != RunState::unknown) status.notes.push_back(queue.problem);
  for (const std::string& part : run.closed)
    status.notes.push_back(fmt::format("'{}' is there and you may not read it: what it tells is missing here", part));
  if (!run.config && run.submissions.empty() && run.closed.empty())
    status.notes.push_back(run.config_problem.substr(0, run.config_problem.find('\n')));
  count_restarts(run, status);
  estimate_speed(run, status);
  estimate_saves(run, status);
  estimate_end(run, now, status);
  return status;
}

Report look_at_run(const std::string& dir) {
  Report report;
  report.facts = read_run(dir);
  const Queue queue = look_into_queue(report.facts.jobs());
  const Start* start = report.facts.last_start();
  const bool has_ended = !start || start->end || (report.facts.lock && report.facts.lock->is_alive);
  const std::string accounted = has_ended || start->begin.job.empty() ? "" : accounted_end(start->begin.job_id());
  report.status = judge(report.facts, queue, metrics::wall_seconds(), accounted);
  return report;
}

}  // namespace tessera::jobs
