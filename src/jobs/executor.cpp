// SPDX-License-Identifier: Apache-2.0
#include "jobs/executor.hpp"

#include <fmt/core.h>

#include "jobs/mpirun.hpp"

namespace tessera::jobs {
namespace {

/// Of one machine.
class LocalExecutor final : public Executor {
 public:
  explicit LocalExecutor(int cores) : cores_(cores) {}

  LaunchCommand command(const Launch& launch) const override {
    LaunchCommand command{launch.words, {fmt::format("OMP_NUM_THREADS={}", launch.threads)}};
    if (launch.ranks == 1) return command;
    const std::vector<std::string> mpirun = mpirun_words(launch.ranks);
    command.words.insert(command.words.begin(), mpirun.begin(), mpirun.end());
    if (launch.ranks * launch.threads > cores_) command.environment.emplace_back("OMPI_MCA_mpi_yield_when_idle=1");
    return command;
  }

 private:
  int cores_;
};

}  // namespace

ProgramEnd Executor::run(const Launch& launch, double timeout_seconds, std::function<bool()> stop_requested) const {
  LaunchCommand command = this->command(launch);
  return run_program(command.words, {timeout_seconds, std::move(command.environment), std::move(stop_requested)});
}

std::unique_ptr<Executor> local_executor(int cores) {
  return std::make_unique<LocalExecutor>(cores);
}

}  // namespace tessera::jobs
