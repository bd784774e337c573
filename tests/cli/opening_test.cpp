// SPDX-License-Identifier: Apache-2.0
// What a training tells before its first step, and that a job of many ranks tells each thing once.
#include <fmt/core.h>
#include <sstream>

#include "cli/stop.hpp"

namespace tessera::testing {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Of the first twenty lines, that which begins so; fails without.
std::string opening_line(const std::string& output, const std::string& begin) {
  const std::vector<std::string> lines = lines_of(output);
  for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 20); ++i)
    if (lines[i].starts_with(begin)) return lines[i];
  BOOST_TEST(false, "no line '" << begin << "' among the first 20 of\n" << output);
  return "";
}

void expect_in(const std::string& line, const std::string& text) {
  BOOST_TEST(line.find(text) != std::string::npos, "no '" << text << "' in: " << line);
}

BOOST_FIXTURE_TEST_CASE(the_first_twenty_lines_tell_what_runs_where, RunFixture) {
  const ProcessResult result = train("--optim.micro_batch=2", 2);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  const std::string& output = result.output;
  opening_line(output, "tessera 0.");
  for (const std::string library : {"oneDNN ", "MPI ", "HDF5 "})
    expect_in(opening_line(output, "libraries: "), library);
  expect_in(opening_line(output, "CPU: "), " kernels, ");
  opening_line(output, "GPU: none");
  BOOST_TEST(opening_line(output, "configuration: ") ==
             "configuration: '" + config + "' and 1 key(s) of the command line");
  expect_in(opening_line(output, "run folder: "), "'" + run + "' (on ");
  expect_in(opening_line(output, "run folder: "), " free)");
  expect_in(opening_line(output, "data: "), "'" + tokens + "' (on ");
  BOOST_TEST(opening_line(output, "held out: ") == "held out: the last 0.05 of each file");
  expect_in(opening_line(output, "model: "), "2 layers, hidden 32, 2 heads of 16, context 16, vocabulary 257");
  expect_in(opening_line(output, "model: "), " parameters (");
  BOOST_TEST(opening_line(output, "training: ") ==
             "training: 8 steps of 8 sequences (128 tokens), micro-batches of 2, precision fp32");
  expect_in(opening_line(output, "layout: "), "data 2, pipeline 1, tensor 1");
  expect_in(opening_line(output, "ranks: "), "ranks: 2 on ");
  opening_line(output, "threads: 1 a rank");
  opening_line(output, "memory a rank: ");
  BOOST_TEST(opening_line(output, "Slurm job: ") == "Slurm job: none");
  BOOST_TEST(opening_line(output, "lead time: ") == "lead time: not measured yet");
  BOOST_TEST(opening_line(output, "[run]") == "[run]");  // the configuration begins within them
}

BOOST_FIXTURE_TEST_CASE(a_job_of_slurm_is_named, RunFixture) {
  const ProcessResult result =
      run_shell("SLURM_JOB_ID=4711 SLURM_RESTART_COUNT=2 SLURMD_NODENAME=n7 TESSERA_SIGNAL_LEAD=180 " + tessera() +
                " train --config " + shell_quoted(config) + " --run.stop_after 1");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(opening_line(result.output, "Slurm job: ") == "Slurm job: 4711, restart 2");
  BOOST_TEST(opening_line(result.output, "ranks: ") == "ranks: 1 on n7");
  expect_in(opening_line(result.output, "lead time: "), "; it comes 180 s before");
}

BOOST_FIXTURE_TEST_CASE(ranks_are_told_by_node, RunFixture) {
  const std::string program = folder / "two_a_node";
  write_file(program, "#!/bin/sh\nexport SLURMD_NODENAME=n$((OMPI_COMM_WORLD_RANK / 2))\nexec " +
                          shell_quoted(TESSERA_BINARY) + " \"$@\"\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  for (const auto& [ranks, expected] :
       {std::pair{3, "ranks: 3 on 2 nodes: n0 (2), n1 (1)"}, std::pair{4, "ranks: 4, 2 on each of 2 nodes: n0, n1"}}) {
    const ProcessResult result = run_shell(launched_on(ranks, program) + " train --config " + shell_quoted(config) +
                                           " --optim.batch 12 --run.stop_after 1");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    BOOST_TEST(opening_line(result.output, "ranks: ") == expected);
  }
}

BOOST_FIXTURE_TEST_CASE(sixteen_ranks_tell_each_thing_once, RunFixture) {
  const std::string options = "--optim.batch 16 --checkpoint.interval 4 ";
  const std::string alone = train(options + "--run.dir " + shell_quoted(folder / "alone")).output;
  const ProcessResult result = train(options + "--checkpoint.stripe 4", 16);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(lines_of(result.output).size() == lines_of(alone).size(), result.output);
  for (int step = 1; step <= 8; ++step) BOOST_TEST(count_of(fmt::format("step {}/8", step), result.output) == 1);
  BOOST_TEST(count_of("warning: ", result.errors) == 1, result.errors);  // of the stripes, and no other
  const ProcessResult wrong = train("--optim.batch 7", 16);
  expect_error(wrong, 2, "optim.batch");
  BOOST_TEST(count_of("error: ", wrong.errors) == 1, wrong.errors);
}

BOOST_FIXTURE_TEST_CASE(a_warning_of_ranks_names_them, RunFixture) {
  // Two of the ranks ask for more threads than there are cores.
  const std::string program = folder / "threads";
  write_file(program,
             "#!/bin/sh\nif [ \"$OMPI_COMM_WORLD_RANK\" -lt 2 ]; then OMP_NUM_THREADS=2000; fi\n"
             "exec taskset -c $(sed -n 's/^Cpus_allowed_list:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/self/status) " +
                 shell_quoted(TESSERA_BINARY) + " \"$@\"\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const ProcessResult result = run_shell(launched_on(4, program) + " check --config " + shell_quoted(config));
  BOOST_TEST(result.exit_code == 0, result.errors);
  BOOST_TEST(count_of("warning: 2 ranks, the first of them 0 on ", result.errors) == 1, result.errors);
}

/// What the last start needed is known before anything is measured.
BOOST_FIXTURE_TEST_CASE(a_short_lead_time_is_warned_of_with_the_number_to_use, RunFixture) {
  const std::string slow =
      "{\"step_seconds\":20,\"evaluation_seconds\":0,\"in_flight_seconds\":0,\"save_seconds\":100}";
  const auto train_in = [&](const std::string& environment, const std::string& options) {
    std::filesystem::create_directories(run + "/log");
    write_file(run + "/log/lead.json", slow);
    return run_shell(environment + " " + tessera() + " train --quiet --config " + shell_quoted(config) + " " + options);
  };
  const ProcessResult enough = train_in("TESSERA_SIGNAL_LEAD=180 TESSERA_KILL_WAIT=180", "--run.stop_after 1");
  BOOST_TEST(enough.exit_code == 0);
  BOOST_TEST(enough.errors == "");
  const ProcessResult few = train_in("TESSERA_SIGNAL_LEAD=60 TESSERA_KILL_WAIT=30", "--run.stop_after 1");
  expect_error(few, 0, "warning: the signal comes 60 s before the end of the wall time");
  expect_error(few, 0, "--signal=B:USR1@180, or export SBATCH_SIGNAL=B:USR1@180");
  expect_error(few, 0, "warning: a plain scancel or a preemption leaves only 30 s (KillWait)");
  BOOST_TEST(count_of("warning: ", few.errors) == 2, few.errors);
  // A first start knows it with its first save; one second is the least that is asked for.
  std::filesystem::remove_all(run);
  const ProcessResult first =
      run_shell("TESSERA_SIGNAL_LEAD=0 " + tessera() + " train --quiet --config " + shell_quoted(config));
  expect_error(first, 0, "warning: the signal comes 0 s before");
  BOOST_TEST(count_of("warning: ", first.errors) == 1, first.errors);
}

BOOST_FIXTURE_TEST_CASE(a_lead_time_that_is_none_is_refused, RunFixture) {
  for (const std::string variable : {"TESSERA_SIGNAL_LEAD", "TESSERA_KILL_WAIT"})
    for (const std::string value : {"soon", "-5", "1x"}) {
      const ProcessResult result =
          run_shell(variable + "=" + value + " " + tessera_on(2) + " train --config " + shell_quoted(config));
      expect_error(result, 2, variable + " = '" + value + "' must be seconds, as in 180");
      BOOST_TEST(count_of("error: ", result.errors) == 1, result.errors);
    }
}

}  // namespace
}  // namespace tessera::testing
