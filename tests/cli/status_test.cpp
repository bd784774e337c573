// SPDX-License-Identifier: Apache-2.0
// What `tessera status` says during and after real trainings, and of jobs of a squeue that says what a test wants.
#include <filesystem>

#include "cli/fake_slurm.hpp"
#include "cli/fixture.hpp"
#include "json/json.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

struct StatusFixture : RunFixture {
  FakeSlurm slurm{folder.path()};

  json::Json status() const {
    const ProcessResult result = slurm.run(tessera() + " status --json " + shell_quoted(run));
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    return json::parse(result.output, "status");
  }
  std::string state() const { return status().at("state").as_string(); }
  std::string start_in_background(const std::string& options = "") const {
    return tessera() + " train --config " + shell_quoted(config) + " --run.steps 1000000 --quiet " + options + " & " +
           wait_for_lines(run + "/metrics.jsonl");
  }
};

BOOST_FIXTURE_TEST_CASE(a_training_is_told_while_it_runs_and_when_it_was_killed, StatusFixture) {
  const std::string ask = tessera() + " status --json " + shell_quoted(run) + "; ";
  const ProcessResult result = slurm.run(start_in_background() + ask + "kill -9 $!; wait $!; " + ask);
  const std::size_t line = result.output.find('\n');
  const json::Json running = json::parse(result.output.substr(0, line), "first"),
                   killed = json::parse(result.output.substr(line + 1), "second");
  BOOST_TEST(running.at("state").as_string() == "running");
  BOOST_TEST(running.at("step").as_int() >= 1);
  BOOST_TEST(running.at("steps").as_int() == 1000000);
  BOOST_TEST(running.at("tokens_per_second").as_double() > 0);
  BOOST_TEST(running.at("gflops").as_double() > 0);
  BOOST_TEST(running.at("matrix_share").as_double() > 0);
  BOOST_TEST(running.at("seconds_left").as_double() > 1);
  BOOST_TEST(running.at("end_time").is_string());
  BOOST_TEST(running.at("job").is_null());
  BOOST_TEST(killed.at("state").as_string() == "died");
  BOOST_TEST(killed.at("end_time").is_null());
  BOOST_TEST(slurm.calls() == "");  // no job is known, so nobody is asked
}

BOOST_FIXTURE_TEST_CASE(a_stop_and_a_resume_to_the_end_are_told, StatusFixture) {
  const ProcessResult stopped = slurm.run(start_in_background() + "kill -USR1 $!; wait $!");
  BOOST_REQUIRE_MESSAGE(stopped.exit_code == 85, stopped.errors);
  const json::Json after = status();
  BOOST_TEST(after.at("state").as_string() == "stopped");
  BOOST_TEST(after.at("exit_code").as_int() == 85);
  BOOST_TEST(after.at("checkpoint").at("step").as_int() == after.at("step").as_int());
  BOOST_REQUIRE(train("--run.steps 1000000 --run.stop_after 1").exit_code == 0);
  BOOST_TEST(state() == "stopped");
  BOOST_TEST(status().at("reason").as_string().find("run.stop_after") != std::string::npos);
  fs::remove_all(run);
  BOOST_REQUIRE(train("", 2).exit_code == 0);
  const json::Json done = status();
  BOOST_TEST(done.at("state").as_string() == "finished");
  BOOST_TEST(done.at("start").at("ranks").as_int() == 2);
  BOOST_TEST(done.at("valid_step").as_int() == 8);
  BOOST_TEST(done.at("starts").as_int() == 1);
  BOOST_TEST(done.at("seconds_left").is_null());
  BOOST_TEST(done.at("gflops").as_double() > 0);
  BOOST_TEST(done.at("matrix_share").is_null());  // eight such steps are not worth measuring the rate
}

BOOST_FIXTURE_TEST_CASE(a_run_that_diverged_tells_its_error, StatusFixture) {
  BOOST_REQUIRE(train("--optim.lr 1e39 --optim.min_lr 1e39 --optim.warmup 0", 2).exit_code == 3);
  const json::Json diverged = status();
  BOOST_TEST(diverged.at("state").as_string() == "failed");
  BOOST_TEST(diverged.at("exit_code").as_int() == 3);
  BOOST_TEST(diverged.at("reason").as_string().find("not finite") != std::string::npos);
}

/// Its own error ends rank 1, which ends rank 0, whose record has no end then.
BOOST_FIXTURE_TEST_CASE(the_last_words_of_a_rank_that_failed_alone_are_told, StatusFixture) {
  // Rank 0 stands still; rank 1 waits for it until its patience ends, and says so.
  const ProcessResult result =
      slurm.run(tessera_on(2) + " train --config " + shell_quoted(config) +
                " --run.steps 1000000 --quiet --parallel.timeout 2 & " + wait_for_lines(run + "/metrics.jsonl") +
                "kill -STOP $(sed -n " + shell_quoted(R"(s/.*"pid":\([0-9]*\).*/\1/p)") + " " +
                shell_quoted(run + "/heartbeat/rank-0.json") + "); wait $!");
  BOOST_TEST(result.exit_code != 0);
  const json::Json failed = status();
  BOOST_TEST(failed.at("state").as_string() == "failed");
  BOOST_TEST(failed.at("reason").as_string().starts_with("rank 1 on "), failed.at("reason").as_string());
}

BOOST_FIXTURE_TEST_CASE(jobs_that_wait_are_told_with_their_reason, StatusFixture) {
  BOOST_REQUIRE(slurm
                    .run("SLURM_JOB_ID=77 SLURM_RESTART_COUNT=1 TESSERA_MAX_RESTARTS=5 " + tessera() +
                         " train --config " + shell_quoted(config) + " --run.stop_after 5 --quiet")
                    .exit_code == 0);
  write_file(run + "/log/job-77.history", "0 from 0\n0 ended 137\n1 from 0\n1 ended 0\n");
  slurm.answer("77|PENDING|2030-01-01T00:00:00|1:00:00|1:00:00||Resources");
  const json::Json waiting = status();
  BOOST_TEST(waiting.at("state").as_string() == "requeued");
  BOOST_TEST(waiting.at("reason").as_string().find("Resources") != std::string::npos);
  BOOST_TEST(waiting.at("restarts").as_int() == 1);
  BOOST_TEST(waiting.at("max_restarts").as_int() == 5);
  BOOST_TEST(waiting.at("job").at("limit_seconds").as_double() == 3600);
  BOOST_TEST(waiting.at("end_time").as_string().starts_with("20"));
  slurm.answer("77|RUNNING|2026-01-01T00:00:00|30:00|1:00:00|n1|None");
  BOOST_TEST(state() == "stopped");  // it is at its end, unless it began another start
  write_file(run + "/log/job-77.history", "0 from 0\n0 ended 137\n1 from 0\n1 ended 0\n2 from 5\n");
  BOOST_TEST(state() == "starting");
  write_file(run + "/log/job-77.history", "0 from 0\n0 ended 137\n1 from 0\n1 ended 0\n");
  slurm.answer("77|COMPLETED|2026-01-01T00:00:00|30:00|1:00:00|n1|None");
  BOOST_TEST(state() == "stopped");
  const ProcessResult text = slurm.run(tessera() + " status " + shell_quoted(run));
  BOOST_TEST(text.output.find("': stopped: run.stop_after was reached at step 5\n") != std::string::npos, text.output);
}

BOOST_FIXTURE_TEST_CASE(folders_that_are_no_runs_are_named_and_the_others_told, StatusFixture) {
  BOOST_REQUIRE(train("").exit_code == 0);
  const ProcessResult result =
      slurm.run(tessera() + " status --json " + shell_quoted(folder.path()) + " " + shell_quoted(folder / "slurm-bin") +
                " " + shell_quoted(run) + " " + shell_quoted(folder / "none"));
  expect_error(result, 2, "'" + folder.path() + "' is no run folder, but holds some, as 'run'");
  expect_error(result, 2, "slurm-bin' is no run folder: it holds no config.cfg");
  BOOST_TEST(result.errors.find("none' does not exist") != std::string::npos, result.errors);
  BOOST_TEST(json::parse(result.output, "status").as_array().size() == 1U);
  expect_error(slurm.run(tessera() + " status"), 2, "needs a run folder");
}

/// As another user's, on a file system that is mounted so.
BOOST_FIXTURE_TEST_CASE(a_folder_is_only_read, StatusFixture) {
  BOOST_REQUIRE(train("").exit_code == 0);
  const std::string list = "find " + shell_quoted(run) + " -newer " + shell_quoted(folder / "mark");
  BOOST_REQUIRE(run_shell("sleep 1.1; touch " + shell_quoted(folder / "mark")).exit_code == 0);
  BOOST_TEST(state() == "finished");
  BOOST_TEST(run_shell(list).output == "");
}

}  // namespace
}  // namespace tessera::testing
