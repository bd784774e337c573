// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <fmt/core.h>
#include <new>
#include <string_view>

#include "base/version.hpp"
#include "config/nearest.hpp"
#include "tools/command.hpp"
#include "tools/launcher.hpp"
#include "tools/standard_output.hpp"

namespace {

using tessera::base::ExitCode;
using tessera::tools::Command;

constexpr double kDefaultTimeoutSeconds = 600;

void print_help() {
  fmt::print("tessera {} trains GPT models over MPI.\n\nUsage: tessera COMMAND [options]\n\n",
             tessera::base::version());
  for (const Command& command : tessera::tools::commands()) fmt::print("  {:<10} {}\n", command.name, command.summary);
  fmt::print("\n`tessera COMMAND --help` lists the options of a command.\n");
}

const Command* find(std::string_view name) {
  for (const Command& command : tessera::tools::commands())
    if (name == command.name) return &command;
  return nullptr;
}

int unknown_command(std::string_view name) {
  if (!tessera::tools::is_first_process()) return static_cast<int>(ExitCode::usage);
  std::vector<std::string> names;
  for (const Command& command : tessera::tools::commands()) names.emplace_back(command.name);
  fmt::print(stderr, "error: '{}' is not a command of tessera; the nearest is '{}'. `tessera help` lists all\n", name,
             tessera::config::nearest(std::string(name), names));
  return static_cast<int>(ExitCode::usage);
}

/// What no part of the program foresaw: want of memory and troubles with files are of the machine, the rest is ours.
std::string describe(const std::exception& error) {
  if (std::ferror(stdout)) return fmt::format("standard output could not be written ({})", error.what());
  if (dynamic_cast<const std::bad_alloc*>(&error)) return "not enough memory: use a smaller model or batch";
  if (dynamic_cast<const std::filesystem::filesystem_error*>(&error)) return error.what();
  return fmt::format("{} (please report this)", error.what());
}

/// The exit code `code`, or that of a failure if a command was done but what it printed did not arrive.
int finish(int code) {
  constexpr int failed = static_cast<int>(ExitCode::failed);
  if (code == failed || tessera::tools::flush_standard_output()) return code;
  return code == 0 ? failed : code;
}

/// Before MPI starts a process knows of the others only that a launcher started them: what is wrong with the input all
/// find alike, and one says so; trouble with the system may be one node's, and is told by whom it meets.
void print_early(const std::string& message, bool of_all) {
  if (of_all && !tessera::tools::is_first_process()) return;
  fmt::print(stderr, "error: {}{}\n", of_all ? "" : tessera::tools::process_name(), message);
}

/// Exit code if the process ends before MPI starts.
std::optional<int> before_mpi(const Command& command, const std::vector<std::string>& arguments) {
  if (!command.before_mpi) return {};
  try {
    const std::optional<ExitCode> code = command.before_mpi(arguments);
    return code ? std::optional(static_cast<int>(*code)) : std::nullopt;
  } catch (const tessera::base::Error& error) {
    print_early(error.what(), error.code() == ExitCode::usage);
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    print_early(describe(error), false);
    return static_cast<int>(ExitCode::failed);
  }
}

/// What launchers say, asked before MPI starts, as some libraries then set the same variables.
struct Launch {
  int started = tessera::tools::num_started_by_launcher();
  bool is_first = tessera::tools::is_first_process();
  bool is_in_terminal = tessera::tools::is_in_terminal_of_srun();
};

// Open MPI fails there before it can be asked, or waits for the other tasks: docs/jobs.md names the cause, too.
constexpr const char* kShellOfSrun =
    ". If you typed this into a shell of `srun --pty`: MPI takes the command for one of the shell's tasks. Open the "
    "shell by salloc instead, or run `unset ${!SLURM_STEP@} ${!PMI@}` in it first (docs/jobs.md)";

/// Whether MPI does not know the ranks that a launcher started: each would do the work of all, in the same folder.
bool is_alone(const Launch& launch, const tessera::comm::Communicator& world) {
  if (launch.started <= 1 || world.size() > 1) return false;
  if (launch.is_first)
    fmt::print(stderr,
               "error: {} processes were started, and MPI knows of one: the launcher is not that of {}, which this "
               "program was built with. Use its mpirun, or with srun the --mpi=... it needs (slurm/README.md){}\n",
               launch.started, tessera::comm::Environment::library_version(),
               launch.is_in_terminal ? kShellOfSrun : "");
  return true;
}

/// The error of one rank, which is named where there are others.
void print_error(const tessera::comm::Communicator& world, const std::string& message) {
  if (world.size() == 1)
    fmt::print(stderr, "error: {}\n", message);
  else
    fmt::print(stderr, "error: rank {} on {}: {}\n", world.rank(), world.host(), message);
}

/// Runs the command. Errors that all ranks share end in order; an error of one rank ends the whole job at once, as the
/// others wait for its messages.
int run(const Command& command, tessera::tools::Invocation& invocation) {
  const tessera::comm::Communicator& world = invocation.world;
  try {
    return static_cast<int>(command.run(invocation));
  } catch (const tessera::base::SharedError& error) {
    if (world.rank() == 0) fmt::print(stderr, "error: {}\n", error.what());
    return static_cast<int>(error.code());
  } catch (const tessera::base::Error& error) {
    print_error(world, error.what());
    if (world.size() == 1) return static_cast<int>(error.code());
    std::fflush(nullptr);
    world.abort(static_cast<int>(error.code()));
  } catch (const std::exception& error) {
    print_error(world, describe(error));
    if (world.size() == 1) return static_cast<int>(ExitCode::failed);
    std::fflush(nullptr);
    world.abort(static_cast<int>(ExitCode::failed));
  }
}

}  // namespace

int main(int argc, char** argv) {
  tessera::tools::claim_standard_files();
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name.empty() || name == "help" || name == "--help" || name == "-h") {
    if (tessera::tools::is_first_process()) print_help();
    return finish(static_cast<int>(name.empty() ? ExitCode::usage : ExitCode::done));
  }
  const Command* command = find(name == "--version" ? std::string_view("version") : name);
  if (!command) return unknown_command(name);
  if (const std::optional<int> code = before_mpi(*command, {argv + 2, argv + argc})) return finish(*code);
  try {
    const Launch launch;
    tessera::comm::Environment environment(argc, argv);
    tessera::comm::Communicator world = tessera::comm::Communicator::world(kDefaultTimeoutSeconds);
    if (is_alone(launch, world)) return static_cast<int>(ExitCode::usage);
    tessera::tools::Invocation invocation{{argv + 2, argv + argc}, world};
    return finish(run(*command, invocation));
  } catch (const std::exception& error) {  // before there were ranks that could agree
    print_early(fmt::format("MPI cannot start: {}", error.what()), false);
    return static_cast<int>(ExitCode::failed);
  }
}
