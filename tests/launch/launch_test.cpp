// SPDX-License-Identifier: Apache-2.0
// The program and the launcher of the MPI it was built with. The other tests of commands know Open MPI only.
#include <filesystem>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(selftest_starts_ranks_itself) {
  const ProcessResult result =
      run_shell("export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1; " +
                tessera() + " selftest --ranks 2");
  BOOST_TEST(result.exit_code == 0, result.output << result.errors);
  BOOST_TEST(result.output.find(" 0 failed\n") != std::string::npos, result.output);
}

BOOST_AUTO_TEST_CASE(the_version_of_mpi_is_one_line) {
  const std::string output = run_shell(tessera() + " version").output;
  const std::size_t at = output.find("\nmpi ");
  BOOST_REQUIRE(at != std::string::npos);
  const std::string line = output.substr(at + 1, output.find('\n', at + 1) - at - 1);
  BOOST_TEST((line.find(" MPICH 4.") != std::string::npos || line.find(" Open MPI v") != std::string::npos), line);
  BOOST_TEST(line.find(" (MPI ") != std::string::npos, line);
}

BOOST_FIXTURE_TEST_CASE(a_training_over_ranks_ends_and_stops_with_its_exit_codes, RunFixture) {
  const ProcessResult whole = train("--run.dir=" + shell_quoted(folder / "whole"), 2);
  BOOST_TEST(whole.exit_code == 0, whole.errors);
  BOOST_TEST(metric_values(read_file(folder / "whole/metrics.jsonl"), "loss").size() == 8U);

  const std::string train_long = tessera_on(2) + " train --config " + shell_quoted(config) +
                                 " --run.steps=1000000 --checkpoint.interval=0 --quiet";
  // To one rank, not to the launcher: mpiexec of MPICH 4.0 hands a signal on, but at times ends with 0 itself.
  const std::string heartbeat = shell_quoted(run + "/heartbeat/rank-1.json");
  const ProcessResult stopped =
      run_shell(train_long + " & " + wait_for_lines(run + "/metrics.jsonl") +
                R"(kill -USR1 $(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' )" + heartbeat + "); wait $!");
  BOOST_TEST(stopped.exit_code == 85, stopped.exit_code << stopped.errors);
  BOOST_TEST(!fs::is_empty(run + "/checkpoints"));

  expect_error(train("--parallel.tensor=3", 2), 2, "parallel.tensor = 3");
  expect_error(
      train("--run.dir=" + shell_quoted(folder / "high") + " --optim.lr=1e30 --optim.min_lr=1e30 --optim.warmup=0", 2),
      3, "not finite");
}

BOOST_AUTO_TEST_CASE(a_launcher_that_mpi_cannot_speak_with_is_refused) {
  const bool mpich = run_shell(tessera() + " version").output.find("MPICH") != std::string::npos;
  // As each process sees it that the launcher of the other MPI starts, or srun without the --mpi that is needed.
  const std::string other = mpich ? "OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=" : "PMI_SIZE=2 PMI_RANK=";
  for (const std::string& set : {other, std::string("SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=")}) {
    expect_error(run_shell(set + "0 " + tessera() + " version"), 2, "2 processes were started, and MPI knows of one");
    const ProcessResult second = run_shell(set + "1 " + tessera() + " version");
    BOOST_TEST(second.exit_code == 2);
    BOOST_TEST(second.errors == "");
  }
}

/// A shell of `srun -n 4 --pty` hands the variables of its task to every command that is typed into it.
BOOST_AUTO_TEST_CASE(a_shell_of_srun_is_named_as_the_cause) {
  const std::string step = "SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0 ", cause = "a shell of `srun --pty`";
  expect_error(run_shell(step + "SLURM_PTY_PORT=36055 " + tessera() + " version"), 2, cause);
  BOOST_TEST(run_shell(step + tessera() + " version").errors.find(cause) == std::string::npos);
  // What it says to do, in the shell it is for.
  const ProcessResult alone = run_shell("export " + step + "SLURM_PTY_PORT=36055 PMI_RANK=0 PMI_SIZE=4; exec bash -c " +
                                        shell_quoted("unset ${!SLURM_STEP@} ${!PMI@}; " + tessera() + " version"));
  BOOST_TEST(alone.exit_code == 0, alone.errors);
}

}  // namespace
}  // namespace tessera::testing
