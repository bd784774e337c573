// SPDX-License-Identifier: Apache-2.0
// Scaling studies as a user makes them: of a tiny model, on one and two ranks of this machine.
#include <chrono>
#include <filesystem>
#include <iostream>

#include "cli/fixture.hpp"
#include "json/json.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

struct StudyFixture {
  TestFolder folder;
  std::string config = folder / "tiny.cfg", study = folder / "study";

  StudyFixture() {
    write_file(config,
               "[run]\ndir = " + (folder / "run") +
                   "\n[model]\nlayers = 2\nhidden = 32\nheads = 2\ncontext = 16\nvocab = 257\n[optim]\nbatch = 2\n");
  }
  /// "tessera scale ..." with what mpirun needs on a small test machine.
  static std::string scale(const std::string& options) {
    return "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1; exec setsid " +
           shell_quoted(TESSERA_BINARY) + " scale " + options;
  }
  /// `scale run` of a study of four points: one rank with two micro-batches, two ranks on two batches.
  std::string run(const std::string& options = "") const {
    return scale("run --config " + shell_quoted(config) +
                 " --ranks 1,2 --layouts zero=1 --cores 1 --steps 3 --warmup 1 --repeats 2 --output " +
                 shell_quoted(study) + " " + options);
  }
  /// Runs a command in a shell of its own, as it may replace it.
  static ProcessResult shell(const std::string& command) { return run_shell("( " + command + " )"); }

  std::size_t num_results() const {
    std::size_t number = 0;
    std::error_code absent;
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(study + "/points", absent))
      number += file.path().extension() == ".json";
    return number;
  }
  json::Json report() const { return json::parse(read_file(study + "/report.json"), "report.json"); }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_FIXTURE_TEST_CASE(strong_and_weak_scaling_are_measured_and_reported, StudyFixture) {
  const ProcessResult measured = shell(run());
  BOOST_REQUIRE_MESSAGE(measured.exit_code == 0, measured.output << measured.errors);
  BOOST_TEST(num_results() == 8U);
  BOOST_TEST(contains(measured.output, "[8/8] "), measured.output);
  BOOST_TEST(contains(measured.output, "strong scaling: 2 sequences of 16 tokens a step"), measured.output);
  BOOST_TEST(contains(measured.output, "weak scaling: 2 sequences of 16 tokens a step and rank"), measured.output);

  const ProcessResult reported = shell(scale("report " + shell_quoted(study)));
  BOOST_REQUIRE_MESSAGE(reported.exit_code == 0, reported.errors);
  const json::Json object = report();
  BOOST_REQUIRE(object.at("series").as_array().size() == 2U);
  for (const json::Json& series : object.at("series").as_array()) {
    const json::Array& rows = series.at("rows").as_array();
    BOOST_REQUIRE(rows.size() == 2U);
    BOOST_TEST(rows[0].at("efficiency").as_double() == 1.0);
    const double one = rows[0].at("chosen").at("tokens_per_second").as_double(),
                 two = rows[1].at("chosen").at("tokens_per_second").as_double();
    BOOST_TEST(rows[1].at("efficiency").as_double() == two / one / 2, boost::test_tools::tolerance(1e-9));
    BOOST_TEST(rows[1].at("chosen").at("layout").as_string() == "data=2,zero=1");
    BOOST_TEST(rows[1].at("chosen").at("runs").as_int() == 2);
    BOOST_TEST(rows[1].at("chosen").at("communication_share").as_double() > 0);
    const std::int64_t batch = series.at("mode").as_string() == "strong" ? 2 : 4;
    BOOST_TEST(rows[1].at("chosen").at("batch").as_int() == batch);
  }
  BOOST_TEST(contains(read_file(study + "/report.csv"), "weak,ranks,2,1,4,\"data=2,zero=1\",measured,1,2,"));

  if (run_shell("/usr/bin/python3 -c 'import matplotlib'").exit_code == 0)
    BOOST_TEST(read_file(study + "/report.png").starts_with("\x89PNG"), reported.output);
  else
    std::cout << "SKIPPED: matplotlib is not installed\n";
}

BOOST_FIXTURE_TEST_CASE(a_report_does_without_python, StudyFixture) {
  BOOST_REQUIRE(shell(run("--ranks 1 --mode strong --repeats 1 --quiet")).exit_code != 0);  // --ranks twice
  BOOST_REQUIRE(
      shell(scale("run --config " + shell_quoted(config) +
                  " --ranks 1 --mode strong --steps 1 --warmup 0 --repeats 1 --quiet --output " + shell_quoted(study)))
          .exit_code == 0);
  const std::string none = folder / "bin";
  fs::create_directory(none);
  write_file(none + "/python3", "#!/bin/sh\nexit 1\n");
  fs::permissions(none + "/python3", fs::perms::owner_all);
  // TESSERA_HOME: where the script to draw with is looked for first.
  fs::create_directory(folder / "scripts");
  write_file(folder / "scripts/plot_scaling.py", "raise SystemExit(1)\n");
  const ProcessResult reported = shell("PATH=" + none + ":$PATH TESSERA_HOME=" + folder.path() +
                                       "; export PATH TESSERA_HOME; " + scale("report " + shell_quoted(study)));
  BOOST_TEST(reported.exit_code == 0);
  BOOST_TEST(contains(reported.output, "no picture: `python3 "), reported.output);
  BOOST_TEST(fs::exists(study + "/report.csv"));
}

BOOST_FIXTURE_TEST_CASE(an_interrupted_study_goes_on, StudyFixture) {
  for (const char* signal : {"TERM ", "INT "}) {
    const std::size_t before = num_results();
    const ProcessResult stopped =
        run_shell("( " + run() + " ) & child=$!; " + "until [ $(find " + shell_quoted(study) +
                  "/points -name '*.json' 2>/dev/null | wc -l) -gt " + std::to_string(before) +
                  " ]; do sleep 0.05; done; kill -" + signal + "$child; wait $child");
    BOOST_TEST(stopped.exit_code == 85, stopped.exit_code << stopped.output << stopped.errors);
    BOOST_TEST(contains(stopped.errors, "the same again goes on"), stopped.errors);
    // Nothing that it started is left; every run of bench has the name of the run folder in its command line.
    BOOST_TEST(run_shell("pgrep -f '[b]ench .*" + (folder / "run") + "'").output == "");
    BOOST_TEST(num_results() < 8U);
  }
  const std::string first = study + "/points/1x1-batch2-micro_batch=2/1.json", kept = read_file(first);
  const ProcessResult resumed = shell(scale("run --output " + shell_quoted(study)));
  BOOST_REQUIRE_MESSAGE(resumed.exit_code == 0, resumed.output << resumed.errors);
  BOOST_TEST(num_results() == 8U);
  BOOST_TEST(read_file(first) == kept);
  BOOST_TEST(!contains(resumed.output, "/8] "), resumed.output);  // fewer than all
}

/// A terminal signals the whole group that a command leads: with what it started in there, as far as that is in it.
BOOST_FIXTURE_TEST_CASE(ctrl_c_leaves_no_rank_behind, StudyFixture) {
  const std::string ranks = "pgrep -f '[b]ench .*" + (folder / "run") + "'";
  const ProcessResult stopped = run_shell(
      "( " +
      scale("run --config " + shell_quoted(config) +
            " --ranks 2 --layouts zero=1 --mode strong --steps 1000000 --only 2x1-batch2-data=2,zero=1 --output " +
            shell_quoted(study)) +
      " ) & child=$!; until [ $(" + ranks +
      " | wc -l) = 3 ]; do sleep 0.05; done; sleep 0.5; kill -INT -$child; wait $child; code=$?; " + ranks +
      "; exit $code");
  BOOST_TEST(stopped.exit_code == 85, stopped.exit_code << stopped.output << stopped.errors);
  BOOST_TEST(stopped.output == "");
}

BOOST_FIXTURE_TEST_CASE(another_question_is_refused_with_the_differences, StudyFixture) {
  BOOST_REQUIRE(
      shell(scale("run --config " + shell_quoted(config) +
                  " --ranks 1 --mode strong --steps 1 --warmup 0 --repeats 1 --quiet --output " + shell_quoted(study)))
          .exit_code == 0);
  const ProcessResult other = shell(run("--model.layers=3"));
  expect_error(other, 2, "holds another study:\n");
  for (const char* difference : {"\n  ranks = [1,2], was [1]\n", "\n  model.layers = '3', was '2'\n"})
    BOOST_TEST(contains(other.errors, difference), other.errors);
}

BOOST_FIXTURE_TEST_CASE(points_that_fail_are_shown_with_their_cause_and_tried_again_when_asked, StudyFixture) {
  const std::string broken = folder / "bin";
  fs::create_directory(broken);
  write_file(broken + "/mpirun", "#!/bin/sh\necho 'error: the network is down' >&2\nexit 3\n");
  fs::permissions(broken + "/mpirun", fs::perms::owner_all);
  const ProcessResult failed = shell("PATH=" + broken + ":$PATH; export PATH; " + run("--mode strong"));
  BOOST_TEST(failed.exit_code == 1, failed.errors);
  BOOST_TEST(contains(failed.output, "2      failed, see below\n"), failed.output);
  BOOST_TEST(contains(failed.output, "  2x1-batch2-data=2,zero=1: exit code 3: error: the network is down\n"),
             failed.output);
  BOOST_TEST(shell(scale("run --output " + shell_quoted(study))).exit_code == 1);  // kept as it is
  const ProcessResult retried = shell(scale("run --retry --output " + shell_quoted(study)));
  BOOST_TEST(retried.exit_code == 0, retried.output << retried.errors);
  BOOST_TEST(contains(retried.output, "[2/2] "), retried.output);  // nothing else again
}

BOOST_FIXTURE_TEST_CASE(a_run_without_end_fails_in_time, StudyFixture) {
  const ProcessResult late =
      shell(scale("run --config " + shell_quoted(config) +
                  " --ranks 1 --mode strong --steps 1000000 --repeats 1 --timeout 1 --output " + shell_quoted(study)));
  BOOST_TEST(late.exit_code == 1);
  BOOST_TEST(contains(late.output, "no end within 1s (--timeout)"), late.output);
}

BOOST_FIXTURE_TEST_CASE(without_a_single_rank_the_fewest_ranks_are_the_measure, StudyFixture) {
  const ProcessResult measured = shell(scale("run --config " + shell_quoted(config) +
                                             " --ranks 2 --no-single-rank --layouts zero=1 --mode strong --steps 1 "
                                             "--warmup 0 --repeats 1 --json --output " +
                                             shell_quoted(study)));
  BOOST_REQUIRE_MESSAGE(measured.exit_code == 0, measured.errors);
  const json::Json object = json::parse(measured.output, "output");  // nothing else is printed there
  const json::Json& series = object.at("series").as_array()[0];
  BOOST_TEST(series.at("baseline_ranks").as_int() == 2);
  BOOST_TEST(series.at("rows").as_array()[0].at("efficiency").as_double() == 1.0);
  BOOST_TEST(series.at("node").is_null());
}

BOOST_FIXTURE_TEST_CASE(bench_tells_where_it_ran_and_how_steps_spread, StudyFixture) {
  const ProcessResult measured = run_shell(tessera_on(2) + " bench --config " + shell_quoted(config) +
                                           " --measure 4 --warmup 0 --steps-only --json");
  BOOST_REQUIRE_MESSAGE(measured.exit_code == 0, measured.errors);
  const json::Json figures = json::parse(measured.output, "output");
  const json::Json& host = figures.at("hosts").as_array()[0];
  BOOST_TEST(host.at("ranks").as_int() == 2);
  BOOST_TEST(host.at("threads").as_int() == 2);
  BOOST_TEST(figures.at("busy_cores").as_int() == 2);
  BOOST_TEST(figures.at("cores").as_int() == host.at("cores").as_int());
  BOOST_TEST(figures.at("tokens_per_step").as_int() == 2 * 16);
  BOOST_TEST(figures.at("matrix_gflops").is_null());
  BOOST_TEST(figures.at("matrix_share").is_null());
  double before = 0;
  for (const char* name : {"least", "lower_quartile", "median", "upper_quartile", "greatest"}) {
    const double seconds = figures.at("step_seconds").at(name).as_double();
    BOOST_TEST(seconds >= before);
    before = seconds;
  }
  BOOST_TEST(figures.at("step_seconds").at("median").as_double() == figures.at("seconds_per_step").as_double());
}

BOOST_FIXTURE_TEST_CASE(a_study_that_another_process_measures_is_left_alone, StudyFixture) {
  fs::create_directory(study);
  // The host counts as another, and the file is as young as one that is renewed.
  write_file(study + "/lock", R"({"host":"elsewhere","pid":1,"start_ticks":1,"job":"7","restart":"","since":""})");
  expect_error(shell(run()), 2, "--output = '" + study + "' is in use by process 1 on elsewhere (job 7)");
  BOOST_TEST(num_results() == 0U);
  fs::last_write_time(study + "/lock", fs::last_write_time(study + "/lock") - std::chrono::hours(1));
  const ProcessResult taken =
      shell(scale("run --config " + shell_quoted(config) +
                  " --ranks 1 --mode strong --steps 1 --warmup 0 --repeats 1 --quiet --output " + shell_quoted(study)));
  BOOST_TEST(taken.exit_code == 0, taken.errors);
  BOOST_TEST(contains(taken.errors, "took --output = '" + study + "' over from process 1 on elsewhere"), taken.errors);
  BOOST_TEST(!fs::exists(study + "/lock"));
}

/// Wrong usage would end a study at its first point, whatever was measured before.
BOOST_FIXTURE_TEST_CASE(a_full_temporary_folder_is_a_failure_and_no_wrong_usage, StudyFixture) {
  const std::string full = folder / "full";
  fs::create_directory(full);
  if (run_shell("mount -t tmpfs -o size=1500k none " + shell_quoted(full)).exit_code != 0) {
    std::cout << "SKIPPED: no file system may be mounted here\n";
    return;
  }
  // Files of MPI lie elsewhere.
  const ProcessResult result =
      run_shell("export OMPI_MCA_orte_tmpdir_base=/tmp; TMPDIR=" + shell_quoted(full) + " " +
                shell_quoted(TESSERA_BINARY) + " bench --steps-only --config " + shell_quoted(config));
  run_shell("umount -l " + shell_quoted(full));
  expect_error(result, 1, "No space left on device");
  BOOST_TEST(contains(result.errors, "set TMPDIR"), result.errors);
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_asked_is_refused, StudyFixture) {
  expect_error(shell(scale("")), 2, "needs an action");
  expect_error(shell(scale("rum")), 2, "the nearest is 'run'");
  expect_error(shell(scale("run --output " + shell_quoted(study))), 2, "holds no study yet");
  expect_error(shell(run("--nodes 2")), 2, "--nodes = '2' needs Slurm");
  expect_error(shell(run("--sbatch=--time=5")), 2, "--sbatch = '--time=5' has no use without jobs");
  expect_error(shell(scale("submit --json --output x")), 2, "'--json' is unknown");
  expect_error(shell(run("--mode strange")), 2, "strong, weak or both");
  expect_error(shell(run("--optim.batch=0")), 2, "optim.batch");
  expect_error(shell(scale("run --config " + shell_quoted(config) + " --ranks 1,two --output x")), 2, "'two'");
  expect_error(shell(scale("report " + shell_quoted(folder.path()))), 2, "it has no study.json");
  expect_error(shell(tessera_on(2) + " scale report x"), 2, "leave out mpirun or srun");
  BOOST_TEST(!fs::exists(study));
}

}  // namespace
}  // namespace tessera::testing
