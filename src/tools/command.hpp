// SPDX-License-Identifier: Apache-2.0
// One small file per subcommand; main.cpp finds it in the table of commands.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/communicator.hpp"

namespace tessera::tools {

/// What a subcommand gets: its arguments behind the name, and all ranks of the job.
struct Invocation {
  std::vector<std::string> arguments;
  comm::Communicator& world;
  bool is_root() const { return world.rank() == 0; }
};

struct Command {
  const char* name;
  const char* summary;                            ///< one line for `tessera help`
  base::ExitCode (*run)(Invocation& invocation);  ///< nullptr if before_mpi always does all there is to do
  /// Called before MPI starts, on every rank. Returns an exit code if that was all there is to do: MPI never starts
  /// then.
  std::optional<base::ExitCode> (*before_mpi)(const std::vector<std::string>& arguments) = nullptr;
};

/// All subcommands, in the order of the help text.
const std::vector<Command>& commands();

base::ExitCode run_train(Invocation& invocation);
std::optional<base::ExitCode> prepare_train(const std::vector<std::string>& arguments);
base::ExitCode run_generate(Invocation& invocation);
base::ExitCode run_evaluate(Invocation& invocation);
base::ExitCode run_score(Invocation& invocation);
base::ExitCode run_data(Invocation& invocation);
base::ExitCode run_checkpoint(Invocation& invocation);
std::optional<base::ExitCode> checkpoint_before_mpi(const std::vector<std::string>& arguments);
base::ExitCode run_check(Invocation& invocation);
base::ExitCode run_bench(Invocation& invocation);
std::optional<base::ExitCode> scale_before_mpi(const std::vector<std::string>& arguments);
base::ExitCode run_selftest(Invocation& invocation);
std::optional<base::ExitCode> start_selftest_ranks(const std::vector<std::string>& arguments);
std::optional<base::ExitCode> status_before_mpi(const std::vector<std::string>& arguments);
base::ExitCode run_version(Invocation& invocation);

}  // namespace tessera::tools
