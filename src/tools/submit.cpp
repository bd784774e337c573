// SPDX-License-Identifier: Apache-2.0
#include "tools/submit.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <set>
#include <system_error>

#include "base/posix_file.hpp"
#include "base/units.hpp"
#include "base/version.hpp"
#include "config/option_values.hpp"
#include "config/validate.hpp"
#include "config/warnings.hpp"
#include "jobs/batch_script.hpp"
#include "jobs/program.hpp"
#include "jobs/run_status.hpp"
#include "jobs/site.hpp"
#include "metrics/lines.hpp"
#include "tools/check.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

const std::vector<config::Flag> kFlags = {
    {"quiet", false, "print errors only"},
    {"submit", false, "do not train here: submit a job to Slurm that does. The flags below are for it"},
    {"dry-run", false, "show its script and the command, and do neither"},
    {"nodes", true, "nodes, as in 4; or the fewest and the most that will do, as in 2-8 (1)"},
    {"ntasks-per-node", true, "ranks on each node (TESSERA_RANKS_PER_NODE of the site, else 1)"},
    {"cpus-per-task", true, "cores, and threads, of each rank"},
    {"time", true, "wall time of a start, as in 90m, 12h, 2d, or as sbatch reads it"},
    {"signal", true, "how long before its end the run saves and stops, as in 180s or 10m (180s)"},
    {"job-name", true, "name of the job (that of the run folder)"},
    {"partition", true, "partition"},
    {"account", true, "account"},
    {"sbatch", true, "any other option of sbatch, as in --sbatch=--qos=high; may be given several times", true},
};
constexpr std::size_t kFirstOfSubmit = 2;  // of those that mean nothing without --submit

using Flags = std::map<std::string, std::vector<std::string>>;

std::string text_of(const Flags& flags, const char* name) {
  const auto found = flags.find(name);
  return found == flags.end() ? "" : found->second.back();
}

/// What is to be submitted.
struct Job {
  config::Config config;
  Flags flags;
  std::string program, site, folder;  // absolute paths; `folder`: where it is submitted from
  jobs::NodeRange nodes;
  int ranks_per_node = 1;
  std::vector<std::string> hidden;  // names of variables that sbatch must not see: they stand in the script
  std::vector<std::string> shown;   // NAME=VALUE of those of the site that only sbatch itself understands
  jobs::BatchScript script;

  std::string log_folder() const { return config.run.dir + "/log"; }
  bool is_chained() const { return script.options.contains("dependency"); }
};

std::string path_of_this_program() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  if (error) base::fail_system("/proc/self/exe cannot be read: {}", error.message());
  return path.string();
}

/// The command line without the flags of --submit and the configuration files, which become absolute: what the job
/// script gets, CONFIG first.
std::vector<std::string> arguments_of_job(const std::vector<std::string>& arguments) {
  std::vector<std::string> files, others;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const std::size_t equals = word.find('=');
    const std::string name =
        word.starts_with("--") ? word.substr(2, equals == std::string::npos ? equals : equals - 2) : "";
    const auto flag = std::find_if(kFlags.begin(), kFlags.end(), [&](const config::Flag& f) { return f.name == name; });
    const bool is_config = name == "config";
    if (!is_config && (flag == kFlags.end() || name == "quiet")) {
      others.push_back(word);
      continue;
    }
    const bool next_is_value = (is_config || flag->takes_value) && equals == std::string::npos;
    if (next_is_value) ++i;
    if (is_config) files.push_back(fs::absolute(next_is_value ? arguments.at(i) : word.substr(equals + 1)).string());
  }
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

/// The job would end with exit code 2 when it gets a number of nodes that does not fit; here all are tried.
void check_configuration(const Job& job) {
  for (int nodes = job.nodes.least; nodes <= job.nodes.most; ++nodes) {
    const int ranks = parse_ranks(std::to_string(std::int64_t{nodes} * job.ranks_per_node), "the number of ranks");
    std::vector<config::Problem> problems = config::validate(job.config, ranks);
    for (const config::Problem& missing :
         config::missing_keys(job.config, {"data.train", "run.dir", "run.steps", "optim.batch"}))
      problems.push_back(missing);
    if (!problems.empty() && job.nodes.is_range())
      problems.insert(problems.begin(),
                      {"nodes", fmt::format("--nodes = {}: the job may get {} node(s), {} rank(s), which do not fit:",
                                            job.nodes.text(), nodes, ranks)});
    config::throw_if_any(problems);
    if (nodes != job.nodes.least && nodes != job.nodes.most) continue;
    const config::Config resolved = resolve_without_training(job.config, ranks);
    if (nodes == job.nodes.least)
      for (const std::string& warning : config::warnings(resolved, ranks)) fmt::print(stderr, "warning: {}\n", warning);
  }
}

/// A range of nodes must not have --ntasks-per-node, as Slurm would then always give the fewest.
void set_size(Job& job) {
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

void set_times(Job& job) {
  jobs::SbatchOptions& options = job.script.options;
  if (const std::string time = text_of(job.flags, "time"); !time.empty()) options["time"] = jobs::parse_wall_time(time);
  const std::string signal = text_of(job.flags, "signal");
  if (signal.empty()) return;
  const double lead = config::parse_or_refuse("--signal", signal, "a duration, as in 180s or 10m",
                                              [](const std::string& text) { return base::parse_seconds(text); });
  if (!(lead >= 1 && lead <= 65535))
    config::refuse("--signal", signal, "from 1 second to 65535, which is what Slurm allows");
  const auto time = options.find("time");
  if (time != options.end() && lead >= jobs::wall_time_seconds(time->second))
    base::fail_usage("--signal = {} is not shorter than the wall time --time = {}: nothing would be trained", signal,
                     time->second);
  options["signal"] = fmt::format("B:USR1@{:.0f}", lead);
}

/// Defaults of the job script, then the site, then the command line.
void set_options(Job& job, const std::map<std::string, std::string>& site) {
  jobs::BatchScript& script = job.script;
  script.take_defaults(jobs::train_job_script());
  script.options["job-name"] = fs::absolute(job.config.run.dir).lexically_normal().filename().string();
  for (const auto& [name, value] : jobs::options_of_environment(site, job.hidden, job.shown))
    script.options[name] = value;
  for (const char* name : {"job-name", "partition", "account"})
    if (const std::string value = text_of(job.flags, name); !value.empty()) script.options[name] = value;
  std::string output = fs::absolute(job.log_folder()).lexically_normal().string();
  for (std::size_t at = 0; (at = output.find('%', at)) != std::string::npos; at += 2) output.insert(at, "%");
  script.options["output"] = output + "/slurm-%j.out";
  script.options["chdir"] = job.folder;
  set_size(job);
  set_times(job);
  if (const auto others = job.flags.find("sbatch"); others != job.flags.end())
    for (const std::string& option : others->second) {
      const auto [name, value] = jobs::parse_sbatch_option(option);
      script.options[name] = value;
    }
}

void set_variables(Job& job, const std::vector<std::string>& arguments) {
  jobs::BatchScript& script = job.script;
  script.variables.emplace_back("TESSERA_HOME", job.folder);
  if (!job.site.empty()) script.variables.emplace_back("TESSERA_SITE", job.site);
  // A site or a wrapper may have its own program, which finds the libraries that this one has found.
  const char* named = std::getenv("TESSERA_BINARY");
  script.variables.emplace_back("TESSERA_BINARY", named && *named ? named : job.program);
  script.arguments = arguments_of_job(arguments);
}

Job read_job(const std::vector<std::string>& arguments) {
  const config::ParsedConfig parsed = config::load_config(arguments, kFlags);
  if (!parsed.positional.empty())
    base::fail_usage("'{}' is not understood: options start with --, as in --config FILE", parsed.positional.front());
  Job job;
  job.config = parsed.config;
  job.flags = parsed.flags;
  job.program = path_of_this_program();
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

/// A second job on a run would wait for its start and be refused then, unless it waits for the first one to end.
void require_free(const Job& job) {
  const std::string& dir = job.config.run.dir;
  if (!jobs::is_run_folder(dir)) return;
  const jobs::Report report = jobs::look_at_run(dir);
  const jobs::RunFacts& facts = report.facts;
  if (facts.checkpoint && facts.checkpoint->step >= job.config.run.steps)
    base::fail_usage(
        "run.dir = '{}' has a checkpoint of step {}, and run.steps = {}: nothing is left to train. Raise "
        "run.steps, or use another run.dir",
        dir, facts.checkpoint->step, job.config.run.steps);
  const jobs::RunState state = report.status.state;
  const bool in_use = state == jobs::RunState::waiting || state == jobs::RunState::requeued ||
                      state == jobs::RunState::starting || state == jobs::RunState::running;
  if (!in_use || job.is_chained()) return;
  const std::string id = report.status.job ? report.status.job->id : facts.lock ? facts.lock->job : "";
  base::fail_usage("run.dir = '{}' is in use ({}: {}). Use another run.dir, end that one{}{}", dir,
                   jobs::name_of(state), report.status.reason, id.empty() ? "" : " (scancel " + id + ")",
                   id.empty() ? "" : ", or submit a job that follows it: --sbatch=--dependency=afterany:" + id);
}

/// The first name that is free.
std::string script_path(const Job& job) {
  std::error_code error;
  for (int number = 1;; ++number) {
    std::string path = fmt::format("{}/submit-{}.sbatch", job.log_folder(), number);
    if (!fs::exists(path, error)) return path;
  }
}

std::vector<std::string> sbatch_command(const Job& job, const std::string& script) {
  std::vector<std::string> words;
  // Its variables count more for sbatch than #SBATCH lines, which hold their values and those of flags.
  if (!job.hidden.empty() || !job.shown.empty()) words.emplace_back("env");
  for (const std::string& variable : job.hidden) words.push_back("--unset=" + variable);
  words.insert(words.end(), job.shown.begin(), job.shown.end());
  words.insert(words.end(), {"sbatch", "--parsable", script});
  return words;
}

std::string remedy_for(const std::string& errors) {
  const auto tells = [&](const char* words) { return errors.find(words) != std::string::npos; };
  if (tells("partition"))
    return "Name another with --partition, or SBATCH_PARTITION in slurm/site.env; `sinfo` lists them";
  if (tells("ccount")) return "Name yours with --account, or SBATCH_ACCOUNT in slurm/site.env";
  if (tells("time limit") || tells("ime limit")) return "Set a shorter --time; `sinfo` lists the limits";
  if (tells("onfiguration is not available") || tells("ode count"))
    return "Lower --nodes, --ntasks-per-node or --cpus-per-task; `sinfo -N -l` lists what nodes have";
  if (tells("ontact slurm controller") || tells("ocket timed out")) return "Try again when Slurm answers `sinfo`";
  return "--dry-run shows the script";
}

std::string submit(const Job& job, const std::string& script) {
  const jobs::ProgramEnd end = jobs::run_program(sbatch_command(job, script));
  if (end.succeeded()) return end.output.substr(0, end.output.find_first_of(";\n"));  // "12;cluster"
  std::remove(script.c_str());
  if (!jobs::is_installed("sbatch"))
    base::fail("there is no sbatch here: submit on a login node of the cluster; --dry-run shows the script");
  std::string errors = end.timed_out ? "no answer within a minute" : end.errors;
  while (errors.ends_with('\n')) errors.pop_back();
  base::fail("sbatch refused the job: {}\n{}", errors, remedy_for(errors));
}

void write_script(const Job& job, const std::string& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(job.log_folder(), error);
  if (error)
    base::fail_usage("run.dir = '{}' cannot be written: {}. Choose a folder you may write to", job.config.run.dir,
                     error.message());
  base::replace_file(path, text);
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  char text[64] = {};
  if (::localtime_r(&now, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

}  // namespace

const std::vector<config::Flag>& train_flags() {
  return kFlags;
}

void require_no_submit_flags(const Flags& flags) {
  for (std::size_t i = kFirstOfSubmit; i < kFlags.size(); ++i)
    if (flags.contains(kFlags[i].name))
      base::fail_usage("--{} is for jobs that are submitted: add --submit, or drop it", kFlags[i].name);
}

std::optional<base::ExitCode> submit_training(const std::vector<std::string>& arguments) {
  const bool asked = std::find(arguments.begin(), arguments.end(), "--submit") != arguments.end();
  if (!asked || wants_help(arguments)) return {};
  if (!is_first_process()) return base::ExitCode::usage;
  if (is_started_by_launcher())
    base::fail_usage("tessera train --submit starts a job of its own: call it without mpirun or srun");
  Job job = read_job(arguments);
  require_free(job);
  const std::string path = script_path(job), absolute = fs::absolute(path).lexically_normal().string();
  job.script.opening = fmt::format("Written by tessera {} on {}. To submit it again: sbatch {}", base::version(),
                                   now_text(), jobs::shell_quoted(absolute));
  const std::string text = job.script.text(jobs::train_job_script());
  if (job.flags.contains("dry-run")) {
    fmt::print("{}", text);
    std::string command;
    for (const std::string& word : sbatch_command(job, path)) command += " " + jobs::shell_quoted(word);
    fmt::print("\n# It would become '{}' and be submitted with:\n#{}\n", path, command);
    return base::ExitCode::done;
  }
  write_script(job, path, text);
  const std::string id = submit(job, path);
  const std::string output = fmt::format("{}/slurm-{}.out", job.log_folder(), id);
  jobs::record_submission(job.config.run.dir, {metrics::wall_seconds(), id, path, output});
  fmt::print(
      "job {}: '{}', {} node(s) of {} rank(s)\nwhat it does:     tessera status {}\nwhat it prints:   tail -F {}\n"
      "to end it early:  scancel {}\n",
      id, path, job.nodes.text(), job.ranks_per_node, jobs::shell_quoted(job.config.run.dir),
      jobs::shell_quoted(output), id);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
