// SPDX-License-Identifier: Apache-2.0
#include "jobs/queue.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/core.h>
#include <sstream>

#include "jobs/program.hpp"

namespace tessera::jobs {
namespace {

constexpr double kPatienceSeconds = 20;  // a controller that is busy answers late

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, separator);) fields.push_back(field);
  return fields;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
}

std::string blank(const std::string& text) {
  return text == "N/A" || text == "(null)" ? "" : text;
}

}  // namespace

// The reason is last: it may hold any character.
const char* const kSqueueFormat = "%i|%T|%S|%L|%l|%N|%r";

bool QueuedJob::is_waiting() const {
  static constexpr const char* waits[] = {"PENDING",      "REQUEUED",     "REQUEUE_FED",
                                          "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"};
  return std::any_of(std::begin(waits), std::end(waits), [&](const char* one) { return state == one; });
}

bool QueuedJob::is_active() const {
  // These are old and few. Each Slurm has other states of jobs that may go on, and ours may be older than it.
  static constexpr const char* ends[] = {"COMPLETED", "CANCELLED", "FAILED",   "TIMEOUT",      "NODE_FAIL",
                                         "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY"};
  return std::none_of(std::begin(ends), std::end(ends), [&](const char* one) { return state == one; });
}

std::optional<double> parse_slurm_duration(const std::string& text) {
  const std::size_t dash = text.find('-');
  const std::string clock = dash == std::string::npos ? text : text.substr(dash + 1);
  double seconds = 0;
  const std::vector<std::string> fields = split(clock, ':');
  if (fields.empty() || fields.size() > 3) return {};
  for (const std::string& field : fields) {
    if (!is_number(field)) return {};
    seconds = 60 * seconds + std::stod(field);
  }
  if (dash == std::string::npos) return seconds;
  const std::string days = text.substr(0, dash);
  if (!is_number(days)) return {};
  return 86400 * std::stod(days) + seconds;
}

std::optional<double> parse_slurm_time(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (!end || *end != '\0') return {};
  parts.tm_isdst = -1;
  return static_cast<double>(std::mktime(&parts));
}

std::vector<QueuedJob> parse_squeue(const std::string& output) {
  std::vector<QueuedJob> jobs;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = split(line, '|');
    if (fields.size() < 7 || !is_number(fields[0].substr(0, fields[0].find('_')))) continue;
    QueuedJob job;
    job.id = fields[0];
    job.state = fields[1];
    job.start_time = parse_slurm_time(fields[2]);
    job.seconds_left = parse_slurm_duration(fields[3]);
    job.limit_seconds = parse_slurm_duration(fields[4]);
    job.nodes = blank(fields[5]);
    job.reason = fields[6];
    jobs.push_back(job);
  }
  return jobs;
}

Queue look_into_queue(const std::vector<std::string>& ids) {
  Queue queue;
  if (ids.empty()) return queue;
  if (!is_installed("squeue")) {
    queue.problem = "there is no squeue here, so it is not known whether a job waits or runs";
    return queue;
  }
  std::string list;
  for (const std::string& id : ids) list += (list.empty() ? "" : ",") + id;
  const ProgramEnd end =
      run_program({"squeue", "--noheader", "--states=all", "--jobs=" + list, std::string("--format=") + kSqueueFormat},
                  {kPatienceSeconds, {"SLURM_TIME_FORMAT=standard"}});
  if (end.succeeded()) {
    queue.jobs = parse_squeue(end.output);
  } else if (end.errors.find("Invalid job id") == std::string::npos) {  // else: it has forgotten them
    queue.problem = end.timed_out ? "squeue does not answer" : "Slurm does not tell: " + first_line(end.errors);
  }
  return queue;
}

std::string accounted_end(const std::string& id) {
  if (!is_installed("sacct")) return "";
  const ProgramEnd end =
      run_program({"sacct", "--noheader", "--parsable2", "--allocations", "--jobs=" + id, "--format=State"},
                  {kPatienceSeconds, {}});
  return end.succeeded() ? first_line(end.output) : "";
}

std::string describe_reason(const std::string& reason) {
  struct Reason {
    const char *name, *words;
  };
  static constexpr Reason known[] = {
      {"Resources", "the nodes are taken"},
      {"Priority", "others are before it"},
      {"Dependency", "it waits for another job"},
      {"DependencyNeverSatisfied", "the job it waits for failed: cancel it"},
      {"BeginTime", "Slurm holds it back, as it does for two minutes after a requeue"},
      {"JobArrayTaskLimit", "as many members of its array run as may"},
      {"JobHeldUser", "held by its owner: scontrol release JOB"},
      {"JobHeldAdmin", "held by an administrator"},
      {"launch failed requeued held", "its start failed, so Slurm holds it: scontrol release JOB"},
      {"PartitionDown", "the partition is down"},
      {"PartitionTimeLimit", "its wall time is more than the partition allows"},
      {"PartitionNodeLimit", "it asks for more nodes than the partition has"},
      {"ReqNodeNotAvail", "nodes it needs are down or reserved"},
      {"QOSMaxJobsPerUserLimit", "as many of your jobs run as may"},
      {"AssocMaxJobsLimit", "as many jobs of your account run as may"},
  };
  for (const Reason& one : known)
    if (reason == one.name || reason == std::string("(") + one.name + ")")
      return fmt::format("{} ({})", one.words, one.name);
  return reason == "None" || reason.empty() ? "Slurm has not looked at it yet" : reason;
}

}  // namespace tessera::jobs
