// SPDX-License-Identifier: Apache-2.0
#include "jobs/status_report.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/core.h>
#include <vector>

#include "base/units.hpp"

namespace tessera::jobs {
namespace {

using metrics::Start;

/// `format` is of strftime.
std::string time_text(double seconds, std::tm* (*convert)(const std::time_t*, std::tm*), const char* format) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  char text[64] = {};
  if (convert(&time, &parts)) std::strftime(text, sizeof text, format, &parts);
  return text;
}

std::string local_time(double seconds) {
  return time_text(seconds, ::localtime_r, "%Y-%m-%d %H:%M:%S");
}

json::Json utc_time(const std::optional<double>& seconds) {
  return seconds ? json::Json(time_text(*seconds, ::gmtime_r, "%Y-%m-%dT%H:%M:%SZ")) : json::Json();
}

/// "1.2 s", "3m20s", "5 days 3 h".
std::string duration(double seconds) {
  constexpr double kDay = 86400, kHour = 3600;
  if (seconds < kDay) return base::format_seconds(std::max(0.0, seconds));
  const auto days = static_cast<std::int64_t>(seconds / kDay);
  return fmt::format("{}d{:02}h", days,
                     static_cast<std::int64_t>((seconds - static_cast<double>(days) * kDay) / kHour));
}

std::string step_line(const RunFacts& run, const RunStatus& status) {
  const Progress& progress = run.progress;
  if (progress.step == 0) return status.steps > 0 ? fmt::format("none yet of {}", status.steps) : "none yet";
  std::string text = std::to_string(progress.step);
  if (status.steps > 0)
    text += fmt::format(" of {} ({:.0f}%)", status.steps,
                        100.0 * static_cast<double>(progress.step) / static_cast<double>(status.steps));
  text += fmt::format(", loss {:.4f}", progress.loss);
  if (progress.valid_step)
    text += fmt::format(", validation loss {:.4f} at step {}", progress.valid_loss, *progress.valid_step);
  return text;
}

std::string speed_line(const RunFacts& run, const RunStatus& status) {
  const Progress& progress = run.progress;
  if (progress.tokens_per_second <= 0) return "";
  std::string text = base::format_short(progress.tokens_per_second) + " tokens/s";
  if (status.gflops > 0) text += fmt::format(", {:.1f} GFLOP/s", status.gflops);
  if (status.matrix_share) text += fmt::format(", {:.2f} of the matrix rate", *status.matrix_share);
  if (!progress.is_of_this_start) text += " (of the start before)";
  return text;
}

std::string left_line(const RunStatus& status) {
  if (!status.training_seconds) return "";
  std::string text = duration(*status.training_seconds) + " of training";
  if (status.end_time) text += ", ends about " + local_time(*status.end_time);
  if (status.more_starts.value_or(0) > 0)
    text += fmt::format(" plus waits in the queue: {} more start(s) of {} each", *status.more_starts,
                        duration(status.job->limit_seconds.value_or(0)));
  return text;
}

std::string checkpoint_line(const RunFacts& run, const RunStatus& status, double now) {
  std::string text = run.checkpoint ? fmt::format("step {}, {} ago", run.checkpoint->step,
                                                  duration(now - run.checkpoint->time_seconds))
                                    : "none yet";
  if (run.checkpoint && run.checkpoint->is_saving) text += ", another is being saved";
  if (run.checkpoint && run.checkpoint->was_cut) text += ", another was cut off as it was saved";
  if (status.next_save_step) text += fmt::format("; next at step {}", *status.next_save_step);
  if (status.next_save_seconds) text += ", in about " + duration(*status.next_save_seconds);
  return text;
}

std::string job_line(const RunStatus& status) {
  if (!status.job) return "";
  const QueuedJob& job = *status.job;
  std::string text = fmt::format("{} {}", job.id, job.state);
  if (!job.nodes.empty()) text += " on " + job.nodes;
  if (job.is_waiting() && job.start_time) text += ", expected to start " + local_time(*job.start_time);
  if (!job.is_waiting() && job.is_active() && job.seconds_left && job.limit_seconds)
    text += fmt::format(", {} of {} left", duration(*job.seconds_left), duration(*job.limit_seconds));
  return text;
}

std::string restarts_line(const RunStatus& status) {
  if (!status.restarts) return "";
  std::string text = std::to_string(*status.restarts);
  if (status.max_restarts) text += fmt::format(" of {}", *status.max_restarts);
  text += " used, after crashes";
  return text;
}

std::string start_line(const RunFacts& run) {
  const Start* start = run.last_start();
  if (!start) return "";
  std::string text = fmt::format("{} at {} on {}, {} rank(s)", start->number, local_time(start->begin.time_seconds),
                                 start->begin.host, start->begin.ranks);
  if (start->begin.nodes > 1) text += fmt::format(" on {} nodes", start->begin.nodes);
  if (start->from_step) text += fmt::format(", from step {}", *start->from_step);
  return text;
}

}  // namespace

std::string status_text(const Report& report, double now) {
  const RunFacts& run = report.facts;
  const RunStatus& status = report.status;
  std::string text = fmt::format("'{}': {}: {}\n", run.dir, name_of(status.state), status.reason);
  const std::pair<const char*, std::string> lines[] = {
      {"step", step_line(run, status)}, {"speed", speed_line(run, status)},
      {"left", left_line(status)},      {"checkpoint", checkpoint_line(run, status, now)},
      {"job", job_line(status)},        {"restarts", restarts_line(status)},
      {"start", start_line(run)},       {"layout", run.last_start() ? run.last_start()->begin.layout : ""},
  };
  for (const auto& [name, line] : lines)
    if (!line.empty()) text += fmt::format("  {:<11} {}\n", name, line);
  for (const std::string& note : status.notes) text += fmt::format("  note: {}\n", note);
  return text;
}

namespace {

json::Json progress_json(const Progress& progress) {
  json::Json object{json::Object{}};
  const bool known = progress.step > 0;
  object.set("loss", known ? json::Json(progress.loss) : json::Json());
  object.set("tokens", known ? json::Json(progress.tokens) : json::Json());
  object.set("valid_step", progress.valid_step ? json::Json(*progress.valid_step) : json::Json());
  object.set("valid_loss", progress.valid_step ? json::Json(progress.valid_loss) : json::Json());
  object.set("tokens_per_second",
             progress.tokens_per_second > 0 ? json::Json(progress.tokens_per_second) : json::Json());
  object.set("seconds_per_step", progress.seconds_per_step > 0 ? json::Json(progress.seconds_per_step) : json::Json());
  return object;
}

json::Json to_json(const QueuedJob& job) {
  json::Json object{json::Object{}};
  object.set("id", job.id).set("state", job.state).set("reason", job.reason);
  object.set("nodes", job.nodes).set("start_time", utc_time(job.start_time));
  return object.set("seconds_left", job.seconds_left).set("limit_seconds", job.limit_seconds);
}

json::Json to_json(const NewestCheckpoint& checkpoint, double now) {
  json::Json object{json::Object{}};
  object.set("file", checkpoint.path).set("step", checkpoint.step).set("date", utc_time(checkpoint.time_seconds));
  return object.set("age_seconds", now - checkpoint.time_seconds).set("is_saving_another", checkpoint.is_saving);
}

json::Json to_json(const Start& start) {
  json::Json object{json::Object{}};
  object.set("number", start.number).set("date", utc_time(start.begin.time_seconds)).set("host", start.begin.host);
  object.set("pid", start.begin.pid).set("ranks", start.begin.ranks).set("nodes", start.begin.nodes);
  object.set("from_step", start.from_step ? json::Json(*start.from_step) : json::Json());
  object.set("matrix_gflops", start.matrix_gflops).set("layout", start.begin.layout);
  return object.set("version", start.begin.version);
}

json::Json whole(const std::optional<std::int64_t>& value) {
  return value ? json::Json(*value) : json::Json();
}

}  // namespace

json::Json status_json(const Report& report, double now) {
  const RunFacts& run = report.facts;
  const RunStatus& status = report.status;
  json::Json object{json::Object{}};
  object.set("run", run.dir).set("state", name_of(status.state)).set("reason", status.reason);
  object.set("exit_code", status.exit_code ? json::Json(*status.exit_code) : json::Json());
  object.set("step", run.progress.step).set("steps", status.steps > 0 ? json::Json(status.steps) : json::Json());
  const json::Json progress = progress_json(run.progress);
  for (const auto& [key, value] : progress.as_object()) object.set(key, value);
  object.set("gflops", status.gflops > 0 ? json::Json(status.gflops) : json::Json());
  object.set("matrix_share", status.matrix_share).set("seconds_left", status.training_seconds);
  object.set("end_time", utc_time(status.end_time)).set("more_starts", whole(status.more_starts));
  object.set("checkpoint", run.checkpoint ? to_json(*run.checkpoint, now) : json::Json());
  object.set("next_save_step", whole(status.next_save_step)).set("next_save_seconds", status.next_save_seconds);
  object.set("job", status.job ? to_json(*status.job) : json::Json());
  object.set("starts", status.num_starts).set("restarts", whole(status.restarts));
  object.set("max_restarts", whole(status.max_restarts));
  object.set("start", run.last_start() ? to_json(*run.last_start()) : json::Json());
  json::Json notes{json::Array{}};
  for (const std::string& note : status.notes) notes.push(note);
  return object.set("notes", std::move(notes));
}

}  // namespace tessera::jobs
