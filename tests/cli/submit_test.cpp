// SPDX-License-Identifier: Apache-2.0
// `tessera train --submit` with an sbatch that only writes down what it got; tests/slurm has a real one.
#include <filesystem>

#include "cli/fake_slurm.hpp"
#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

struct SubmitFixture : RunFixture {
  FakeSlurm slurm{folder.path()};
  std::string script = run + "/log/submit-1.sbatch";

  ProcessResult submit(const std::string& options, const std::string& before = "") const {
    return slurm.run("cd " + shell_quoted(folder.path()) + "; " + before + " " + tessera() +
                     " train --config tiny.cfg --submit " + options);
  }
};

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

BOOST_FIXTURE_TEST_CASE(a_dry_run_shows_the_script_and_does_nothing, SubmitFixture) {
  const ProcessResult result = submit(
      "--dry-run --nodes 2 --ntasks-per-node=2 --cpus-per-task 8 --time 90m --signal=10m --partition long --account me "
      "--job-name night --sbatch=--qos=high --sbatch '--comment=two words' --optim.lr=2e-3 --run.seed 7");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  for (const std::string line :
       {"#!/bin/bash", "#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=2", "#SBATCH --cpus-per-task=8",
        "#SBATCH --time=1:30:00", "#SBATCH --signal=B:USR1@600", "#SBATCH --partition=long", "#SBATCH --account=me",
        "#SBATCH --job-name=night", "#SBATCH --qos=high", "#SBATCH --comment=\"two words\"", "#SBATCH --requeue",
        "#SBATCH --open-mode=append", "  --optim.lr=2e-3 \\", "  --run.seed \\", "  7 \\"})
    BOOST_TEST(has_line(result.output, line), line << " is not in\n" << result.output);
  BOOST_TEST(has_line(result.output, "#SBATCH --output=" + run + "/log/slurm-%j.out"));
  BOOST_TEST(has_line(result.output, "#SBATCH --chdir=" + folder.path()));
  BOOST_TEST(has_line(result.output, "  " + folder.path() + "/tiny.cfg \\"));
  BOOST_TEST(has_line(result.output, "# sbatch --parsable " + script), result.output);
  BOOST_TEST(!fs::exists(run));
  BOOST_TEST(slurm.submitted() == "");
  const auto is_script = [&](const std::string& text) {
    write_file(folder / "shown.sbatch", text);
    return run_shell("bash -n " + shell_quoted(folder / "shown.sbatch")).exit_code == 0;
  };
  BOOST_TEST(is_script(result.output));
  BOOST_TEST(!is_script(result.output + "\nif true; then\n"));  // bash does look
}

BOOST_FIXTURE_TEST_CASE(a_submission_is_kept_and_told, SubmitFixture) {
  const ProcessResult result = submit("--nodes 2");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(slurm.submitted() == "--parsable " + script + "\n");
  BOOST_TEST(result.output.find("job 4711: '" + script + "', 2 node(s) of 1 rank(s)\n") != std::string::npos);
  BOOST_TEST(result.output.find("tessera status " + run) != std::string::npos, result.output);
  BOOST_TEST(result.output.find("tail -F " + run + "/log/slurm-4711.out") != std::string::npos, result.output);
  const std::string kept = read_file(script);
  BOOST_TEST(kept.find("To submit it again: sbatch " + script) != std::string::npos, kept);
  slurm.answer("4711|PENDING|N/A|1:00|1:00||Priority");
  const ProcessResult status = slurm.run(tessera() + " status " + shell_quoted(run));
  BOOST_TEST(status.output.starts_with("'" + run + "': waiting: job 4711 waits: others are before it (Priority)\n"),
             status.output << status.errors);
  // It waits: another one would be refused when it starts. One that follows it is not.
  expect_error(submit(""), 2, "is in use (waiting: job 4711");
  BOOST_TEST(submit("--sbatch=--dependency=afterany:4711").exit_code == 0);
  BOOST_TEST(fs::exists(run + "/log/submit-2.sbatch"));
  // It never started, and Slurm has forgotten it.
  slurm.answer("");
  BOOST_TEST(submit("").exit_code == 0);
  // Whether the last one waits is not known: another one might be one too many.
  slurm.program("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1");
  expect_error(submit(""), 2, "may be in use: no rank holds the folder, and job 4711 may wait or run: ");
}

BOOST_FIXTURE_TEST_CASE(a_job_that_cannot_be_written_down_is_told_all_the_same, SubmitFixture) {
  fs::create_directories(run + "/log/submits.jsonl");  // no file
  const ProcessResult result = submit("");
  BOOST_TEST(result.exit_code == 0);
  BOOST_TEST(result.output.starts_with("job 4711: "), result.output);
  BOOST_TEST(result.errors.find("tessera status will not know of job 4711") != std::string::npos, result.errors);
}

/// The job finds its program, its configuration and its data wherever it is submitted from.
BOOST_FIXTURE_TEST_CASE(the_kept_script_trains_from_any_folder, SubmitFixture) {
  BOOST_REQUIRE(submit("--run.stop_after=3 --run.dir='a b/run' --data.train=tokens.h5").exit_code == 0);
  slurm.program("srun", "while [ \"${1#--}\" != \"$1\" ]; do shift; done; exec \"$@\"");
  // Slurm's part: the working folder, and the variables of a job.
  const ProcessResult job = slurm.run("cd " + shell_quoted(folder.path()) +
                                      "; export SLURM_JOB_ID=4711 SLURM_JOB_NUM_NODES=1 SLURM_NTASKS_PER_NODE=1 "
                                      "SLURM_JOB_NODELIST=n1 SLURM_SUBMIT_DIR=/; bash 'a b/run/log/submit-1.sbatch'");
  BOOST_TEST(job.exit_code == 0, job.output << job.errors);
  BOOST_TEST(fs::exists(folder / "a b/run/checkpoints/step-00000003.h5"), job.output << job.errors);
  const ProcessResult status = slurm.run("cd " + shell_quoted(folder.path()) + "; " + tessera() + " status 'a b/run'");
  BOOST_TEST(status.output.starts_with("'a b/run': stopped: run.stop_after was reached at step 3"), status.output);
}

BOOST_FIXTURE_TEST_CASE(what_the_job_would_refuse_is_refused_now, SubmitFixture) {
  expect_error(submit("--nodes 3"), 2, "optim.batch = 8 must divide by the 3 data ranks");
  expect_error(submit("--nodes 2-4"), 2,
               "--nodes = 2-4: the job may get 3 node(s), 3 rank(s), which do not fit: name one that fits (2, 4)");
  expect_error(submit("--data.train=none.h5"), 2, "none.h5");
  expect_error(submit("--optim.batch=0"), 2, "optim.batch");
  expect_error(submit("--run.init_from=none-there"), 2, "none-there");
  expect_error(submit("--nodes="), 2, "--nodes is empty");
  expect_error(slurm.run(tessera() + " train --submit --dry-run --run.steps=3 --optim.batch=2 --model.layers=1 " +
                         "--run.dir=" + shell_quoted(run) + " --data.train=" + shell_quoted(tokens)),
               2, "tessera train --submit needs --config FILE");
  expect_error(submit("--nodes=x"), 2, "--nodes = 'x' must be a number of nodes");
  expect_error(submit("--time=soon"), 2, "--time = 'soon' must be a duration");
  expect_error(submit("--time=5 --signal=5m"), 2, "nothing would be trained");
  expect_error(submit("--time=3"), 2, "nothing would be trained");  // of the 180 s that the job script asks for
  expect_error(submit("--signal=10m", "SBATCH_TIMELIMIT=5"), 2, "nothing would be trained");
  expect_error(submit("--time=10", "SBATCH_SIGNAL=B:USR1@600"), 2, "nothing would be trained");
  BOOST_TEST(submit("--dry-run --signal=10m", "SBATCH_TIMELIMIT=UNLIMITED").exit_code == 0);
  BOOST_TEST(submit("--dry-run --time=4").exit_code == 0);
  expect_error(submit("--sbatch=--array=1-3"), 2, "slurm/sweep.sbatch");
  expect_error(submit("--typo=1"), 2, "typo");
  expect_error(train("--nodes=2"), 2, "--nodes is for jobs that are submitted: add --submit");
  BOOST_TEST(!fs::exists(run));
  BOOST_TEST(slurm.submitted() == "");
}

BOOST_FIXTURE_TEST_CASE(a_run_that_is_in_use_or_done_is_refused, SubmitFixture) {
  const ProcessResult result =
      submit("; echo code $?; kill -9 $!; wait $!",
             tessera() + " train --config tiny.cfg --run.steps 1000000 --checkpoint.interval 0 --quiet & " +
                 wait_for_lines(run + "/metrics.jsonl"));
  BOOST_TEST(result.output.find("code 2") != std::string::npos, result.output);
  BOOST_TEST(result.errors.find("is in use (running: process ") != std::string::npos, result.errors);
  BOOST_REQUIRE(train("").exit_code == 0);
  expect_error(submit(""), 2, "nothing is left to train");
  BOOST_TEST(submit("--run.steps=9").exit_code == 0);
}

BOOST_FIXTURE_TEST_CASE(facts_of_the_site_stand_in_the_script, SubmitFixture) {
  fs::create_directories(folder / "slurm");
  fs::create_directories(folder / "other");
  write_file(folder / "slurm/site.env",
             "TESSERA_RANKS_PER_NODE=2\nexport SBATCH_PARTITION=batch SBATCH_ACCOUNT=theirs SBATCH_EXCLUSIVE=exclusive "
             "SBATCH_NO_KILL=1\n");
  BOOST_REQUIRE(submit("--account=mine", "SBATCH_QOS=low").exit_code == 0);
  const std::string kept = read_file(script);
  for (const std::string line : {"#SBATCH --partition=batch", "#SBATCH --account=mine", "#SBATCH --exclusive",
                                 "#SBATCH --qos=low", "#SBATCH --ntasks-per-node=2"})
    BOOST_TEST(has_line(kept, line), line << " is not in\n" << kept);
  BOOST_TEST(has_line(kept, "export TESSERA_SITE=" + folder.path() + "/slurm/site.env"), kept);
  // The site of a bundle, which names its program by its own folder.
  fs::rename(folder / "slurm", folder / "other/slurm");
  for (const std::string found : {"TESSERA_HOME=other", "TESSERA_SITE=other/slurm/site.env"}) {
    const std::string shown = submit("--dry-run --run.dir=another", found).output;
    BOOST_TEST(has_line(shown, "export TESSERA_HOME=" + folder.path() + "/other"), shown);
    BOOST_TEST(has_line(shown, "export TESSERA_SITE=" + folder.path() + "/other/slurm/site.env"), shown);
  }
  // sbatch would let them win over what stands in the script.
  BOOST_TEST(slurm.environment() == "SBATCH_NO_KILL=1\n");
}

BOOST_FIXTURE_TEST_CASE(what_sbatch_says_reaches_the_user_with_a_remedy, SubmitFixture) {
  slurm.program("sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1");
  const ProcessResult result = submit("");
  expect_error(result, 1, "sbatch refused the job: sbatch: error: invalid partition specified: x");
  BOOST_TEST(result.errors.find("--partition") != std::string::npos, result.errors);
  const auto remedy_of = [&](const std::string& error) {
    slurm.program("sbatch", "echo 'sbatch: error: Batch job submission failed: " + error + "' >&2; exit 1");
    const std::string errors = submit("").errors;
    return errors.substr(errors.find('\n') + 1);
  };
  BOOST_TEST(
      remedy_of("Invalid account or account/partition combination specified").starts_with("Name yours with --ac"));
  BOOST_TEST(remedy_of("Job violates accounting/QOS policy (job submit limit, user s size and/or time limits)")
                 .starts_with("It is more than your account or QOS allows"));
  BOOST_TEST(remedy_of("Invalid qos specification").find("--sbatch=--qos=") != std::string::npos);
  BOOST_TEST(remedy_of("Requested time limit is invalid (missing or exceeds some limit)").starts_with("Set a shorter"));
  BOOST_TEST(!fs::exists(script));  // a script that is kept is one that was submitted
  BOOST_TEST(submit("--nodes=1").exit_code == 1);
}

}  // namespace
}  // namespace tessera::testing
