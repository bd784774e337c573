// SPDX-License-Identifier: Apache-2.0
#include "tools/submit.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fmt/core.h>
#include <sstream>
#include <system_error>

#include "base/posix_file.hpp"
#include "base/version.hpp"
#include "jobs/batch_script.hpp"
#include "jobs/executor.hpp"
#include "jobs/program.hpp"
#include "jobs/run_status.hpp"
#include "metrics/lines.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"
#include "tools/submit_job.hpp"

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

/// The job that trains or waits for the run, "" if none is known.
std::string job_of(const jobs::Report& report) {
  const auto& lock = report.facts.lock;
  return report.status.job ? report.status.job->id : lock ? lock->job : "";
}

[[noreturn]] void refuse_in_use(const std::string& dir, const jobs::Report& report) {
  const std::string id = job_of(report);
  base::fail_usage("run.dir = '{}' is in use ({}: {}). Use another run.dir, end that one{}{}", dir,
                   jobs::name_of(report.status.state), report.status.reason, id.empty() ? "" : " (scancel " + id + ")",
                   id.empty() ? "" : ", or submit a job that follows it: --sbatch=--dependency=afterany:" + id);
}

/// A second job on a run would wait for its start and be refused then, unless it waits for the first one to end.
void require_free(const SubmittedJob& job) {
  const std::string& dir = job.config.run.dir;
  if (!jobs::is_run_folder(dir)) return;
  const jobs::Report report = jobs::look_at_run(dir);
  const jobs::RunFacts& facts = report.facts;
  const jobs::RunState state = report.status.state;
  const bool in_use = state == jobs::RunState::waiting || state == jobs::RunState::requeued ||
                      state == jobs::RunState::starting || state == jobs::RunState::running ||
                      state == jobs::RunState::suspended;
  if (in_use && !job.follows(job_of(report))) refuse_in_use(dir, report);
  if (state == jobs::RunState::unknown && !job.is_chained())
    base::fail_usage("run.dir = '{}' may be in use: {}. Try again when squeue answers, or use another run.dir", dir,
                     report.status.reason);
  const bool evaluation_left = report.status.exit_code == static_cast<int>(base::ExitCode::stopped);
  if (facts.checkpoint && facts.checkpoint->step >= job.config.run.steps && !evaluation_left)
    base::fail_usage(
        "run.dir = '{}' has a checkpoint of step {}, and run.steps = {}: nothing is left to train. Raise "
        "run.steps, or use another run.dir",
        dir, facts.checkpoint->step, job.config.run.steps);
}

/// The first name that is free.
std::string script_path(const SubmittedJob& job) {
  std::error_code error;
  for (int number = 1;; ++number) {
    std::string path = fmt::format("{}/submit-{}.sbatch", job.log_folder(), number);
    if (!fs::exists(path, error)) return path;
  }
}

std::vector<std::string> sbatch_command(const SubmittedJob& job, const std::string& script) {
  std::vector<std::string> words;
  // Its variables count more for sbatch than #SBATCH lines, which hold their values and those of flags.
  if (!job.hidden.empty() || !job.shown.empty()) words.emplace_back("env");
  for (const std::string& variable : job.hidden) words.push_back("--unset=" + variable);
  words.insert(words.end(), job.shown.begin(), job.shown.end());
  words.insert(words.end(), {"sbatch", "--parsable", script});
  return words;
}

constexpr const char* kAccountRemedy = "Name yours with --account, or SBATCH_ACCOUNT in slurm/site.env";

std::string remedy_for(const std::string& errors) {
  const auto tells = [&](const char* words) { return errors.find(words) != std::string::npos; };
  // Slurm may name all that it checks together: "account/partition combination", "accounting/QOS policy".
  if (tells("QOS") || tells("qos"))
    return "It is more than your account or QOS allows: ask for less, or name another QOS with --sbatch=--qos=...; "
           "`sacctmgr show assoc user=$USER` lists limits";
  if (tells("nvalid account")) return kAccountRemedy;
  if (tells("partition"))
    return "Name another with --partition, or SBATCH_PARTITION in slurm/site.env; `sinfo` lists them";
  if (tells("ccount")) return kAccountRemedy;
  if (tells("ime limit")) return "Set a shorter --time; `sinfo` lists the limits";
  if (tells("onfiguration is not available") || tells("ode count"))
    return "Lower --nodes, --ntasks-per-node or --cpus-per-task; `sinfo -N -l` lists what nodes have";
  if (tells("ontact slurm controller") || tells("ocket timed out")) return "Try again when Slurm answers `sinfo`";
  return "--dry-run shows the script";
}

/// The number of the job.
std::string submit(const SubmittedJob& job, const std::string& script) {
  const jobs::ProgramEnd end = jobs::run_program(sbatch_command(job, script), {jobs::sbatch_patience_seconds, {}});
  if (end.succeeded()) {
    std::istringstream lines(end.output);  // a site's own sbatch may say more
    for (std::string line; std::getline(lines, line);) {
      const std::string id = line.substr(0, line.find(';'));  // "12;cluster", where there are several
      if (!id.empty() && id.find_first_not_of("0123456789") == std::string::npos) return id;
    }
    base::fail("sbatch said '{}' and no number of a job. The job may be queued: squeue --me --name={} tells",
               end.output, jobs::shell_quoted(job.script.options.at("job-name")));
  }
  if (end.timed_out)
    base::fail(
        "sbatch does not answer for {:.0f} s. The job may be queued: squeue --me --name={} tells. Its script is "
        "'{}'",
        jobs::sbatch_patience_seconds, jobs::shell_quoted(job.script.options.at("job-name")), script);
  std::remove(script.c_str());
  if (!jobs::is_installed("sbatch"))
    base::fail("there is no sbatch here: submit on a login node of the cluster; --dry-run shows the script");
  std::string errors = end.errors;
  while (errors.ends_with('\n')) errors.pop_back();
  base::fail("sbatch refused the job: {}\n{}", errors, remedy_for(errors));
}

void write_script(const SubmittedJob& job, const std::string& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(job.log_folder(), error);
  if (error)
    base::fail_usage("run.dir = '{}' cannot be written: {}. Choose a folder you may write to", job.config.run.dir,
                     error.message());
  base::replace_file(path, text);
}

/// The job is submitted, whether or not it can be written down.
void record(const SubmittedJob& job, const jobs::Submission& submission) {
  try {
    jobs::record_submission(job.config.run.dir, submission);
  } catch (const base::Error& error) {
    fmt::print(stderr, "warning: {}. tessera status will not know of job {} before it starts\n", error.what(),
               submission.job);
  }
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
  SubmittedJob job = read_job(arguments);
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
  fmt::print(
      "job {}: '{}', {} node(s) of {} rank(s)\nwhat it does:     tessera status {}\nwhat it prints:   tail -F {}\n"
      "to end it early:  scancel {}\n",
      id, path, job.nodes.text(), job.ranks_per_node, jobs::shell_quoted(job.config.run.dir),
      jobs::shell_quoted(output), id);
  std::fflush(stdout);
  record(job, {metrics::wall_seconds(), id, path, output});
  return base::ExitCode::done;
}

}  // namespace tessera::tools
