// SPDX-License-Identifier: Apache-2.0
// Who starts a program on many ranks: mpirun on this machine, or srun or mpirun inside a Slurm job.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "jobs/program.hpp"

namespace tessera::jobs {

/// A program to be run on some ranks.
struct Launch {
  std::vector<std::string> words;  ///< the program, a full path, and its arguments, the same for every rank
  int ranks = 1;
  int ranks_per_node = 1;  ///< nodes are filled one after the other, the last one perhaps in part
  int threads = 1;         ///< that each rank computes with
  int nodes() const { return (ranks + ranks_per_node - 1) / ranks_per_node; }
  int ranks_on_a_node() const { return ranks < ranks_per_node ? ranks : ranks_per_node; }
};

/// The command that starts all ranks of a launch.
struct LaunchCommand {
  std::vector<std::string> words;
  std::vector<std::string> environment;  ///< NAME=VALUE
};

/// Where launches run.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Pure. Throws base::UsageError for a launch that cannot be had here, such as one of too many nodes.
  virtual LaunchCommand command(const Launch& launch) const = 0;
  /// Runs it and waits for its end. As run_program(): before MPI starts.
  ProgramEnd run(const Launch& launch, double timeout_seconds, std::function<bool()> stop_requested) const;
};

/// This machine: one rank as a process of its own, several under mpirun_words(). Ranks may outnumber the
/// machine's `cores`; then those that wait hand their core on.
std::unique_ptr<Executor> local_executor(int cores);

/// The Slurm job that this process is the batch script of, or a child of it.
struct SlurmAllocation {
  std::string launcher = "srun";              ///< srun or mpirun
  std::vector<std::string> launcher_options;  ///< more words for it
  int nodes = 1, cores_per_node = 1;
};
/// Reads SLURM_JOB_NUM_NODES, SLURM_CPUS_ON_NODE, and of slurm/site.env TESSERA_LAUNCHER and TESSERA_LAUNCHER_OPTIONS.
/// Throws base::UsageError outside a job.
SlurmAllocation slurm_allocation();
/// Steps of that job, each on as many of its nodes as it needs.
std::unique_ptr<Executor> step_executor(const SlurmAllocation& allocation);

/// How long sbatch may take: it tries again and again by itself while the controller is busy.
inline constexpr double sbatch_patience_seconds = 300;

/// A job script to be queued.
struct BatchJob {
  std::vector<std::string> words;  ///< the script and its arguments
  std::string name, log;           ///< of the job; the file for its output, where %j stands for its number
  int nodes = 1, ranks_per_node = 1, threads = 1;
  std::vector<std::string> sbatch_options;  ///< more words for sbatch, such as --time=30
  std::vector<std::string> environment;     ///< NAME=VALUE
};
/// The words that queue it. Pure.
std::vector<std::string> sbatch_words(const BatchJob& job);
/// Queues it and returns its number. `site`, if not "", is read by a shell before, for the variables SBATCH_... that it
/// exports. Throws base::Error with what sbatch had to say.
std::string submit(const BatchJob& job, const std::string& site);

}  // namespace tessera::jobs
