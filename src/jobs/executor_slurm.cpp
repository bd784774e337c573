// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fmt/core.h>
#include <sstream>

#include "base/error.hpp"
#include "jobs/executor.hpp"

namespace tessera::jobs {
namespace {

class StepExecutor final : public Executor {
 public:
  explicit StepExecutor(SlurmAllocation allocation) : job_(std::move(allocation)) {}

  LaunchCommand command(const Launch& launch) const override {
    if (launch.nodes() > job_.nodes)
      base::fail_usage("{} ranks, {} on a node, need {} nodes, but the job has {}: submit it with --nodes={}",
                       launch.ranks, launch.ranks_per_node, launch.nodes(), job_.nodes, launch.nodes());
    LaunchCommand command;
    command.environment = {fmt::format("OMP_NUM_THREADS={}", launch.threads)};
    const bool crowded = launch.ranks_on_a_node() * launch.threads > job_.cores_per_node;
    if (crowded) command.environment.emplace_back("OMPI_MCA_mpi_yield_when_idle=1");
    command.words = job_.launcher == "srun" ? srun(launch, crowded) : mpirun(launch, crowded);
    const std::vector<std::string>& more = job_.launcher_options;
    command.words.insert(command.words.end(), more.begin(), more.end());
    command.words.insert(command.words.end(), launch.words.begin(), launch.words.end());
    return command;
  }

 private:
  static std::vector<std::string> srun(const Launch& launch, bool crowded) {
    std::vector<std::string> words = {"srun", "--mpi=pmix", fmt::format("--nodes={}", launch.nodes()),
                                      fmt::format("--ntasks={}", launch.ranks),
                                      fmt::format("--ntasks-per-node={}", launch.ranks_on_a_node())};
    // A rank that died must not leave the others waiting for its messages.
    words.emplace_back("--kill-on-bad-exit=1");
    // Slurm grants a step no more ranks than the job has cores, unless they may share them.
    words.push_back(crowded ? "--overcommit" : fmt::format("--cpus-per-task={}", launch.threads));
    return words;
  }
  static std::vector<std::string> mpirun(const Launch& launch, bool crowded) {
    const std::string places = fmt::format("ppr:{}:node{}", launch.ranks_on_a_node(), crowded ? ":oversubscribe" : "");
    std::vector<std::string> words = {"mpirun",    "-n",  std::to_string(launch.ranks), "--map-by", places,
                                      "--bind-to", "none"};
    // Beside the variable above, which reaches this node only.
    if (crowded) words.insert(words.end(), {"--mca", "mpi_yield_when_idle", "1"});
    return words;
  }

  SlurmAllocation job_;
};

std::string variable(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : fallback;
}

int number(const char* name) {
  const std::string text = variable(name, "");
  const int value = std::atoi(text.c_str());
  if (value < 1)
    base::fail_usage("{} = '{}' is not what Slurm sets in a job: start slurm/scaling.sbatch with sbatch", name, text);
  return value;
}

}  // namespace

SlurmAllocation slurm_allocation() {
  if (variable("SLURM_JOB_ID", "").empty())
    base::fail_usage("this is no Slurm job (SLURM_JOB_ID is not set): sbatch slurm/scaling.sbatch ...");
  SlurmAllocation job;
  job.launcher = variable("TESSERA_LAUNCHER", "srun");
  if (job.launcher != "srun" && job.launcher != "mpirun")
    base::fail_usage("TESSERA_LAUNCHER = '{}' must be srun or mpirun: correct slurm/site.env", job.launcher);
  std::istringstream options(variable("TESSERA_LAUNCHER_OPTIONS", ""));
  for (std::string word; options >> word;) job.launcher_options.push_back(word);
  job.nodes = number("SLURM_JOB_NUM_NODES");
  job.cores_per_node = number("SLURM_CPUS_ON_NODE");
  return job;
}

std::unique_ptr<Executor> step_executor(const SlurmAllocation& allocation) {
  return std::make_unique<StepExecutor>(allocation);
}

std::vector<std::string> sbatch_words(const BatchJob& job) {
  std::vector<std::string> words = {"sbatch",
                                    "--parsable",
                                    "--job-name=" + job.name,
                                    "--output=" + job.log,
                                    fmt::format("--nodes={}", job.nodes),
                                    fmt::format("--ntasks-per-node={}", job.ranks_per_node),
                                    fmt::format("--cpus-per-task={}", job.threads)};
  words.insert(words.end(), job.sbatch_options.begin(), job.sbatch_options.end());
  words.insert(words.end(), job.words.begin(), job.words.end());
  return words;
}

std::string submit(const BatchJob& job, const std::string& site) {
  if (!is_installed("sbatch"))
    base::fail_usage("there is no sbatch here: submit from a login node of a Slurm cluster, or use --executor local");
  // The site's variables are made by a shell, as modules are, too.
  std::vector<std::string> words = {"bash", "-c", "[ -z \"$0\" ] || . \"$0\" >/dev/null; exec \"$@\"", site};
  const std::vector<std::string> sbatch = sbatch_words(job);
  words.insert(words.end(), sbatch.begin(), sbatch.end());
  const ProgramEnd end = run_program(words, {sbatch_patience_seconds, job.environment});
  if (end.timed_out)
    base::fail("sbatch does not answer for {:.0f} s. Job '{}' may be queued: squeue --me --name={} tells",
               sbatch_patience_seconds, job.name, shell_quoted(job.name));
  if (!end.succeeded())
    base::fail("sbatch refused job '{}' ({} nodes of {} ranks): {}", job.name, job.nodes, job.ranks_per_node,
               end.errors.empty() ? fmt::format("exit code {}", end.exit_code) : end.errors);
  const std::string id = first_line(end.output);
  return id.substr(0, id.find(';'));  // behind it the cluster's name, where there are several
}

}  // namespace tessera::jobs
