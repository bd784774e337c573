// SPDX-License-Identifier: Apache-2.0
#include "tools/submit_job.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fmt/ranges.h>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/error.hpp"
#include "base/units.hpp"
#include "config/option_values.hpp"
#include "config/validate.hpp"
#include "config/warnings.hpp"
#include "jobs/program.hpp"
#include "jobs/queue.hpp"
#include "jobs/site.hpp"
#include "tools/check.hpp"
#include "tools/common.hpp"
#include "tools/submit.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

using Flags = std::map<std::string, std::vector<std::string>>;

std::string text_of(const Flags& flags, const char* name) {
  const auto found = flags.find(name);
  return found == flags.end() ? "" : found->second.back();
}

bool takes_value(const std::string& flag) {
  const std::vector<config::Flag>& flags = train_flags();
  return std::any_of(flags.begin(), flags.end(),
                     [&](const config::Flag& one) { return one.name == flag && one.takes_value; });
}

/// The command line without the flags of --submit and the configuration files, which become absolute: what the job
/// script gets, CONFIG first.
std::vector<std::string> arguments_of_job(const std::vector<std::string>& arguments) {
  const std::vector<config::Flag>& flags = train_flags();
  std::vector<std::string> files, others;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const std::size_t equals = word.find('=');
    const std::string name =
        word.starts_with("--") ? word.substr(2, equals == std::string::npos ? equals : equals - 2) : "";
    const auto flag = std::find_if(flags.begin(), flags.end(), [&](const config::Flag& f) { return f.name == name; });
    const bool is_config = name == "config";
    if (!is_config && (flag == flags.end() || name == "quiet")) {
      others.push_back(word);
      continue;
    }
    const bool next_is_value = (is_config || flag->takes_value) && equals == std::string::npos;
    if (next_is_value) ++i;
    if (is_config) files.push_back(fs::absolute(next_is_value ? arguments.at(i) : word.substr(equals + 1)).string());
  }
  if (files.empty())
    base::fail_usage(
        "tessera train --submit needs --config FILE, which the job reads at each start: write the options "
        "into a file, or add one that holds some of them");
  std::vector<std::string> result = {files.front()};
  for (std::size_t i = 1; i < files.size(); ++i) result.push_back("--config=" + files[i]);
  result.insert(result.end(), others.begin(), others.end());
  return result;
}

int parse_cores(const std::string& text) {
  int cores = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), cores);
  if (error != std::errc() || stop != text.data() + text.size() || cores < 1)
    config::refuse("--cpus-per-task", text, "a number of cores, as in 8");
  return cores;
}

int ranks_on(const SubmittedJob& job, int nodes) {
  return parse_ranks(std::to_string(std::int64_t{nodes} * job.ranks_per_node), "the number of ranks");
}

std::vector<config::Problem> problems_on(const SubmittedJob& job, int nodes) {
  std::vector<config::Problem> problems = config::validate(job.config, ranks_on(job, nodes));
  for (const config::Problem& missing :
       config::missing_keys(job.config, {"data.train", "run.dir", "run.steps", "optim.batch"}))
    problems.push_back(missing);
  return problems;
}

/// The job would end with exit code 2 when it gets a number of nodes that does not fit: all are tried, and those that
/// do fit are named.
void check_range(const SubmittedJob& job) {
  constexpr std::size_t kMostNamed = 10;
  std::vector<std::string> fitting;
  int misfit = 0;
  for (int nodes = job.nodes.least; nodes <= job.nodes.most && (misfit == 0 || fitting.size() < kMostNamed); ++nodes) {
    if (problems_on(job, nodes).empty())
      fitting.push_back(std::to_string(nodes));
    else if (misfit == 0)
      misfit = nodes;
  }
  if (misfit == 0) return;
  std::vector<config::Problem> problems = problems_on(job, misfit);
  const std::string remedy =
      fitting.empty() ? "none of them fits"
                      : fmt::format("name one that fits ({}), or a batch that all divide", fmt::join(fitting, ", "));
  problems.insert(problems.begin(),
                  {"nodes", fmt::format("--nodes = {}: the job may get {} node(s), {} rank(s), which do not fit: {}",
                                        job.nodes.text(), misfit, ranks_on(job, misfit), remedy)});
  config::throw_if_any(problems);
}

void check_configuration(const SubmittedJob& job) {
  if (job.nodes.is_range()) check_range(job);
  config::throw_if_any(problems_on(job, job.nodes.least));
  const int ranks = ranks_on(job, job.nodes.least);
  const config::Config resolved = resolve_without_training(job.config, ranks);
  if (job.nodes.is_range()) resolve_without_training(job.config, ranks_on(job, job.nodes.most));
  for (const std::string& warning : config::warnings(resolved, ranks)) fmt::print(stderr, "warning: {}\n", warning);
}

/// A range of nodes must not have --ntasks-per-node, as Slurm would then always give the fewest.
void set_size(SubmittedJob& job) {
  jobs::SbatchOptions& options = job.script.options;
  options["nodes"] = job.nodes.text();
  if (job.nodes.is_range()) {
    job.script.variables.emplace_back("TESSERA_RANKS_PER_NODE", std::to_string(job.ranks_per_node));
    options.try_emplace("exclusive", "");
  } else {
    options["ntasks-per-node"] = std::to_string(job.ranks_per_node);
  }
  if (const std::string cores = text_of(job.flags, "cpus-per-task"); !cores.empty())
    options["cpus-per-task"] = std::to_string(parse_cores(cores));
}

/// Seconds between the warning and the end of the wall time, of "[R][B:]SIGNAL[@SECONDS]"; nothing if they are no
/// number.
std::optional<double> lead_of(const std::string& signal) {
  constexpr double kOfSlurm = 60;
  const std::size_t at = signal.find('@');
  return at == std::string::npos ? kOfSlurm : jobs::parse_slurm_duration(signal.substr(at + 1));
}

/// Slurm would warn at once, the run stop with 85, and the job requeue itself, for ever.
void check_times(const jobs::SbatchOptions& options) {
  const auto time = options.find("time"), signal = options.find("signal");
  if (time == options.end() || signal == options.end()) return;
  const double wall = jobs::wall_time_seconds(time->second);  // 0: UNLIMITED, and what Slurm itself refuses
  const std::optional<double> lead = lead_of(signal->second);
  if (wall > 0 && lead && *lead >= wall)
    base::fail_usage(
        "the run would stop {} before the end of a start, and a start takes --time = {}: nothing would be "
        "trained. Set a longer --time, or a shorter --signal ({} is set)",
        base::format_seconds(*lead), time->second, signal->second);
}

void set_times(SubmittedJob& job) {
  jobs::SbatchOptions& options = job.script.options;
  if (const std::string time = text_of(job.flags, "time"); !time.empty()) options["time"] = jobs::parse_wall_time(time);
  const std::string signal = text_of(job.flags, "signal");
  if (signal.empty()) return;
  const double lead = config::parse_or_refuse("--signal", signal, "a duration, as in 180s or 10m",
                                              [](const std::string& text) { return base::parse_seconds(text); });
  if (!(lead >= 1 && lead <= 65535))
    config::refuse("--signal", signal, "from 1 second to 65535, which is what Slurm allows");
  options["signal"] = fmt::format("B:USR1@{:.0f}", lead);
}

/// The name of the run folder, also of "runs/a/".
std::string job_name(const std::string& run_dir) {
  fs::path path = fs::absolute(run_dir).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.has_filename() ? path.filename().string() : "tessera";
}

/// Defaults of the job script, then the site, then the command line.
void set_options(SubmittedJob& job, const std::map<std::string, std::string>& site) {
  jobs::BatchScript& script = job.script;
  script.take_defaults(jobs::train_job_script());
  script.options["job-name"] = job_name(job.config.run.dir);
  for (const auto& [name, value] : jobs::options_of_environment(site, job.hidden, job.shown))
    script.options[name] = value;
  for (const char* name : {"job-name", "partition", "account"})
    if (const std::string value = text_of(job.flags, name); !value.empty()) script.options[name] = value;
  const std::string folder = fs::absolute(job.log_folder()).lexically_normal().string();
  script.options["output"] = jobs::sbatch_file_name(folder) + "/slurm-%j.out";
  script.options["chdir"] = job.folder;
  set_size(job);
  set_times(job);
  check_times(job.script.options);
  if (const auto others = job.flags.find("sbatch"); others != job.flags.end())
    for (const std::string& option : others->second) {
      const auto [name, value] = jobs::parse_sbatch_option(option);
      if (name == "requeue" || name == "no-requeue") script.options.erase(name == "requeue" ? "no-requeue" : "requeue");
      script.options[name] = value;
    }
}

/// What a site.env may name its program by: the folder that holds it as slurm/site.env.
std::string home_of(const SubmittedJob& job) {
  if (const char* home = std::getenv("TESSERA_HOME"); home && *home) return fs::absolute(home).string();
  const fs::path slurm = fs::path(job.site).parent_path();
  return slurm.filename() == "slurm" ? slurm.parent_path().string() : job.folder;
}

void set_variables(SubmittedJob& job, const std::vector<std::string>& arguments) {
  jobs::BatchScript& script = job.script;
  script.variables.emplace_back("TESSERA_HOME", home_of(job));
  if (!job.site.empty()) script.variables.emplace_back("TESSERA_SITE", job.site);
  // A site or a wrapper may have its own program, which finds the libraries that this one has found.
  const char* named = std::getenv("TESSERA_BINARY");
  script.variables.emplace_back("TESSERA_BINARY", named && *named ? fs::absolute(named).string() : job.program);
  script.arguments = arguments_of_job(arguments);
}

}  // namespace

bool SubmittedJob::follows(const std::string& id) const {
  const auto dependency = script.options.find("dependency");
  if (dependency == script.options.end()) return false;
  // "afterany:12:13,singleton", "afterok:12+5?afterany:14_2"
  std::string words = dependency->second;
  std::replace_if(
      words.begin(), words.end(), [](char c) { return std::string_view(":,?+").find(c) != std::string::npos; }, ' ');
  std::istringstream list(words);
  for (std::string word; list >> word;)
    if (word == "singleton" || word == id) return true;
  return false;
}

SubmittedJob read_job(const std::vector<std::string>& arguments) {
  const config::ParsedConfig parsed = config::load_config(arguments, train_flags());
  if (!parsed.positional.empty())
    base::fail_usage("'{}' is not understood: options start with --, as in --config FILE", parsed.positional.front());
  for (const auto& [flag, values] : parsed.flags)
    for (const std::string& value : values)
      if (takes_value(flag) && value.empty()) base::fail_usage("--{} is empty: give it a value, or drop it", flag);
  SubmittedJob job;
  job.config = parsed.config;
  job.flags = parsed.flags;
  job.program = jobs::path_of_this_program();
  job.folder = fs::current_path().string();
  job.site = jobs::find_site(job.program);
  std::string complaint;
  const std::map<std::string, std::string> site = jobs::read_site(job.site, complaint);
  if (!complaint.empty()) fmt::print(stderr, "warning: '{}' says here: {}", job.site, complaint);
  const std::string nodes = text_of(job.flags, "nodes"), ranks = text_of(job.flags, "ntasks-per-node");
  if (!nodes.empty()) job.nodes = jobs::parse_nodes(nodes);
  const auto of_site = site.find("TESSERA_RANKS_PER_NODE");
  if (!ranks.empty())
    job.ranks_per_node = parse_ranks(ranks, "--ntasks-per-node");
  else if (of_site != site.end() && !of_site->second.empty())
    job.ranks_per_node = parse_ranks(of_site->second, "TESSERA_RANKS_PER_NODE of the site");
  check_configuration(job);
  set_options(job, site);
  set_variables(job, arguments);
  return job;
}

}  // namespace tessera::tools
