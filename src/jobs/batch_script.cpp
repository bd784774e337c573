// SPDX-License-Identifier: Apache-2.0
#include "jobs/batch_script.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <sstream>

#include "base/error.hpp"
#include "base/units.hpp"
#include "jobs/program.hpp"
#include "jobs/queue.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kDirective = "#SBATCH --";
constexpr int kMostNodes = 1000000;
constexpr double kMostSeconds = 86400.0 * 366 * 10;

struct Named {
  const char *name, *value;
};

/// Long options of sbatch and what they are called in its environment (sbatch(1), INPUT ENVIRONMENT VARIABLES).
constexpr Named kVariables[] = {
    {"SBATCH_ACCOUNT", "account"},
    {"SBATCH_ACCTG_FREQ", "acctg-freq"},
    {"SBATCH_BATCH", "batch"},
    {"SBATCH_CONSTRAINT", "constraint"},
    {"SBATCH_CORE_SPEC", "core-spec"},
    {"SBATCH_CPUS_PER_GPU", "cpus-per-gpu"},
    {"SBATCH_DELAY_BOOT", "delay-boot"},
    {"SBATCH_DISTRIBUTION", "distribution"},
    {"SBATCH_EXCLUSIVE", "exclusive"},
    {"SBATCH_EXPORT", "export"},
    {"SBATCH_GPU_BIND", "gpu-bind"},
    {"SBATCH_GPU_FREQ", "gpu-freq"},
    {"SBATCH_GPUS", "gpus"},
    {"SBATCH_GPUS_PER_NODE", "gpus-per-node"},
    {"SBATCH_GPUS_PER_TASK", "gpus-per-task"},
    {"SBATCH_GRES", "gres"},
    {"SBATCH_GRES_FLAGS", "gres-flags"},
    {"SBATCH_HINT", "hint"},
    {"SBATCH_JOB_NAME", "job-name"},
    {"SBATCH_MEM_BIND", "mem-bind"},
    {"SBATCH_MEM_PER_CPU", "mem-per-cpu"},
    {"SBATCH_MEM_PER_GPU", "mem-per-gpu"},
    {"SBATCH_MEM_PER_NODE", "mem"},
    {"SBATCH_NETWORK", "network"},
    {"SBATCH_OPEN_MODE", "open-mode"},
    {"SBATCH_PARTITION", "partition"},
    {"SBATCH_PROFILE", "profile"},
    {"SBATCH_QOS", "qos"},
    {"SBATCH_REQ_SWITCH", "switches"},
    {"SBATCH_RESERVATION", "reservation"},
    {"SBATCH_SIGNAL", "signal"},
    {"SBATCH_THREAD_SPEC", "thread-spec"},
    {"SBATCH_TIMELIMIT", "time"},
    {"SBATCH_WAIT_ALL_NODES", "wait-all-nodes"},
    {"SBATCH_WCKEY", "wckey"},
};

/// Later tessera status would ask the cluster at hand, where the number is of another job or of none.
constexpr const char* kOneCluster =
    "submit from a login node of that cluster: tessera status asks the one it is called on";

/// Options of sbatch that --sbatch may not set, and why.
constexpr Named kRefused[] = {
    {"nodes", "use --nodes"},
    {"ntasks", "use --nodes and --ntasks-per-node"},
    {"ntasks-per-node", "use --ntasks-per-node"},
    {"cpus-per-task", "use --cpus-per-task"},
    {"time", "use --time"},
    {"signal", "use --signal"},
    {"array", "several jobs cannot train one run: use slurm/sweep.sbatch"},
    {"chdir", "submit from that folder: paths in the configuration are those of the folder you submit from"},
    {"clusters", kOneCluster},
    {"wrap", "the job is slurm/train.sbatch"},
    {"output", "the job prints to log/slurm-ID.out of the run, where tessera status looks"},
    {"error", "the job prints to log/slurm-ID.out of the run, errors too"},
    {"parsable", "it is set"},
    {"wait", "tessera status tells when the job has ended"},
    {"test-only", "use --dry-run"},
};

/// Options of sbatch that may stand without a value; any other would take the next option for its value.
constexpr const char* kFlags[] = {
    "contiguous", "exclusive",  "get-user-env", "hold",          "ignore-pbs", "nice",
    "no-kill",    "no-requeue", "overcommit",   "oversubscribe", "propagate",  "quiet",
    "reboot",     "requeue",    "spread-job",   "use-min-nodes", "verbose",
};

/// Variables of sbatch that --submit cannot obey.
constexpr Named kRefusedVariables[] = {
    {"SBATCH_CLUSTERS", kOneCluster},
    {"SBATCH_ARRAY_INX", "several jobs cannot train one run: use slurm/sweep.sbatch"},
    {"SBATCH_WAIT", "tessera status tells when the job has ended"},
};

/// A value in an #SBATCH line.
std::string quoted(const std::string& value) {
  if (value.find_first_of(" \t\"'\\#") == std::string::npos) return value;
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

/// SBATCH_EXCLUSIVE = exclusive means --exclusive.
std::string value_of(const std::string& option, const std::string& value) {
  return option == "exclusive" && value == "exclusive" ? "" : value;
}

std::pair<std::string, std::string> split_option(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, ""};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace

void BatchScript::take_defaults(const std::string& job_script) {
  std::istringstream lines(job_script);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(kDirective)) options.insert(split_option(line.substr(std::string(kDirective).size())));
}

std::string BatchScript::text(const std::string& job_script) const {
  std::string script = "#!/bin/bash\n# " + opening + "\n";
  for (const auto& [name, value] : options)
    script += kDirective + name + (value.empty() ? "" : "=" + quoted(value)) + "\n";
  script += "\n";
  for (const auto& [name, value] : variables) script += "export " + name + "=" + shell_quoted(value) + "\n";
  script += "set --";
  for (const std::string& argument : arguments) script += " \\\n  " + shell_quoted(argument);
  script += " \\\n  \"$@\" # options behind this script when it is submitted by hand\n\n";
  std::istringstream lines(job_script);
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("#!") && !line.starts_with(kDirective)) script += line + "\n";
  return script;
}

std::pair<std::string, std::string> parse_sbatch_option(const std::string& text) {
  const auto [name, value] = split_option(text.starts_with("--") ? text.substr(2) : text);
  const bool is_name = !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos &&
                       !name.starts_with("-") && value.find('\n') == std::string::npos;
  if (!is_name) base::fail_usage("--sbatch = '{}' must be one long option of sbatch, as in --sbatch=--qos=high", text);
  for (const Named& refused : kRefused)
    if (name == refused.name) base::fail_usage("--sbatch = '{}' cannot be used here: {}", text, refused.value);
  const auto is_this = [&, &wanted = name](const char* flag) { return wanted == flag; };
  if (value.empty() && std::none_of(std::begin(kFlags), std::end(kFlags), is_this))
    base::fail_usage("--sbatch = '{}' has no value, and sbatch would take the next option for it: --sbatch=--{}=VALUE",
                     text, name);
  return {name, value};
}

std::string sbatch_file_name(std::string path) {
  for (std::size_t at = 0; (at = path.find('%', at)) != std::string::npos; at += 2) path.insert(at, "%");
  return path;
}

SbatchOptions options_of_environment(const std::map<std::string, std::string>& environment,
                                     std::vector<std::string>& used, std::vector<std::string>& others) {
  SbatchOptions options;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("SBATCH_")) continue;
    for (const Named& refused : kRefusedVariables)
      if (name == refused.name) base::fail_usage("{} = '{}' is set: {}. Unset it", name, value, refused.value);
    const auto* known = std::find_if(std::begin(kVariables), std::end(kVariables),
                                     [&, &key = name](const Named& variable) { return key == variable.name; });
    if (known == std::end(kVariables))
      others.push_back(name + "=" + value);
    else
      used.push_back(name);
    if (known != std::end(kVariables) && !value.empty()) options[known->value] = value_of(known->value, value);
  }
  return options;
}

std::string parse_wall_time(const std::string& text) {
  const bool of_slurm = !text.empty() && text.find_first_not_of("0123456789:-") == std::string::npos;
  // Slurm also knows "days-hours" and "days-hours:minutes", which are no clock.
  const std::size_t dash = text.find('-');
  const std::string clock = dash == std::string::npos ? text : text.substr(dash + 1);
  const bool is_clock = clock.find('-') == std::string::npos && parse_slurm_duration(clock);
  if (of_slurm && is_clock && dash != 0) return text;
  double seconds = 0;
  try {
    seconds = of_slurm ? 0 : base::parse_seconds(text);
  } catch (const base::UsageError&) {
  }
  if (!(seconds >= 1 && seconds <= kMostSeconds))
    base::fail_usage(
        "--time = '{}' must be a duration, as in 90m, 12h, 2d, or a time as sbatch reads it: 90 (minutes), "
        "1:30:00, 2-00:00:00",
        text);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

double wall_time_seconds(const std::string& text) {
  const std::size_t dash = text.find('-');
  const std::string clock = dash == std::string::npos ? text : text.substr(dash + 1);
  const auto colons = std::count(clock.begin(), clock.end(), ':');
  const double value = parse_slurm_duration(clock).value_or(0);
  if (dash == std::string::npos) return colons == 0 ? 60 * value : value;  // minutes; minutes:seconds; with hours
  const double unit = colons == 0 ? 3600 : colons == 1 ? 60 : 1;           // hours; hours:minutes; with seconds
  return 86400 * parse_slurm_duration(text.substr(0, dash)).value_or(0) + unit * value;
}

std::string NodeRange::text() const {
  return is_range() ? fmt::format("{}-{}", least, most) : std::to_string(least);
}

NodeRange parse_nodes(const std::string& text) {
  NodeRange range;
  const char* const end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, range.least);
  range.most = range.least;
  if (error == std::errc() && stop != end && *stop == '-') {
    const auto [last, problem] = std::from_chars(stop + 1, end, range.most);
    stop = last;
    error = problem;
  }
  if (error != std::errc() || stop != end || range.least < 1 || range.most < range.least || range.most > kMostNodes)
    base::fail_usage(
        "--nodes = '{}' must be a number of nodes, as in 4, or the fewest and the most that will do, as in "
        "2-8",
        text);
  return range;
}

}  // namespace tessera::jobs
