// SPDX-License-Identifier: Apache-2.0
#include "jobs/run_status.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "base/error.hpp"
#include "config/parse.hpp"
#include "jobs/status_report.hpp"
#include "support/folder.hpp"

namespace tessera::jobs {
namespace {

constexpr double kNow = 1e6;

/// A run of 1000 steps of 4 x 8 tokens that is at step 100, at two steps a second.
RunFacts sample_run() {
  RunFacts run;
  run.dir = "runs/a";
  run.config = config::parse_text(
      "[run]\nsteps = 1000\n[model]\nlayers = 1\nhidden = 8\nheads = 1\ncontext = 8\nvocab = 10\n[optim]\nbatch = "
      "4\n[checkpoint]\ninterval = 30\n",
      "test");
  run.progress.step = 100;
  run.progress.tokens = 3200;
  run.progress.loss = 2.5;
  run.progress.tokens_per_second = 64;
  run.progress.seconds_per_step = 0.5;
  metrics::Start start;
  start.number = 1;
  start.begin.time_seconds = kNow - 100;
  start.begin.host = "n1";
  start.begin.pid = 7;
  start.begin.steps = 1000;
  start.begin.job = "12";
  start.begin.gflop_per_token = 0.5;
  start.begin.max_restarts = 3;
  start.from_step = 0;
  start.matrix_gflops = 128;
  run.starts.push_back(start);
  run.checkpoint = NewestCheckpoint{"runs/a/checkpoints/step-00000090.h5", 90, kNow - 5, false};
  return run;
}

void lock(RunFacts& run, std::int64_t pid = 7) {
  run.lock = train::LockSight{"n1", "12", "2026-01-01 00:00:00", pid, 3, true};
}

void end(RunFacts& run, int code, std::int64_t step, const std::string& error = "") {
  run.starts.back().end = metrics::StartEnd{kNow, code, step, error};
}

Queue queue_of(const std::string& state, const std::string& reason = "None") {
  return {{{"12", state, reason, "n[1-2]", kNow + 50, 400.0, 600.0}}, ""};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(run_status)

BOOST_AUTO_TEST_CASE(a_run_that_holds_its_lock_runs) {
  RunFacts run = sample_run();
  lock(run);
  const RunStatus status = judge(run, {}, kNow);
  BOOST_TEST((status.state == RunState::running));
  BOOST_TEST(status.gflops == 32);
  BOOST_TEST(status.matrix_share.value() == 0.25);
  BOOST_TEST(status.next_save_step.value() == 120);
  BOOST_TEST(status.next_save_seconds.value() == 10);
  BOOST_TEST(status.training_seconds.value() == 450);  // 900 steps
  BOOST_TEST(status.end_time.value() == kNow + 450);
  BOOST_TEST(status.notes.empty());
  run.starts.back().matrix_gflops = 16;
  BOOST_TEST(contains(judge(run, {}, kNow).notes.at(0), "measured too low"));
  run.starts.back().begin.array_job = "11";
  run.starts.back().begin.array_task = "2";
  BOOST_TEST(judge(run, {}, kNow).reason == "process 7 on n1, job 11_2");
  run.starts.back().from_step.reset();
  BOOST_TEST((judge(run, {}, kNow).state == RunState::starting));
}

BOOST_AUTO_TEST_CASE(the_time_limit_of_its_job_makes_more_starts) {
  RunFacts run = sample_run();
  lock(run);
  run.starts.back().begin.lead_seconds = 100;
  // 300 s are left of this start, 500 s of each that follows.
  BOOST_TEST(judge(run, queue_of("RUNNING"), kNow).more_starts.value() == 1);
  run.progress.tokens_per_second = 25;  // 1152 s of training
  BOOST_TEST(judge(run, queue_of("RUNNING"), kNow).more_starts.value() == 2);
  run.progress.tokens_per_second = 100;  // 288 s
  BOOST_TEST(judge(run, queue_of("RUNNING"), kNow).more_starts.value() == 0);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_silent_is_told) {
  RunFacts run = sample_run();
  lock(run);
  run.progress.age_seconds = 300;
  BOOST_REQUIRE(judge(run, {}, kNow).notes.size() == 1U);
  BOOST_TEST(contains(judge(run, {}, kNow).notes[0], "no step for 5m"));
  run.progress.seconds_per_step = 60;
  BOOST_TEST(judge(run, {}, kNow).notes.empty());
}

BOOST_AUTO_TEST_CASE(a_job_in_the_queue_waits_or_is_requeued) {
  RunFacts run = sample_run();
  end(run, 85, 100);
  const RunStatus requeued = judge(run, queue_of("PENDING", "BeginTime"), kNow);
  BOOST_TEST((requeued.state == RunState::requeued));
  BOOST_TEST(contains(requeued.reason, "BeginTime"));
  BOOST_TEST(contains(requeued.notes.at(0), "asked to stop at step 100"));
  BOOST_TEST(requeued.end_time.value() == kNow + 50 + 455);  // from the checkpoint, when it starts
  BOOST_TEST(requeued.more_starts.value() == 2);             // of 420 s

  run.starts.clear();
  run.progress = {};
  BOOST_TEST((judge(run, queue_of("PENDING", "Resources"), kNow).state == RunState::waiting));
  BOOST_TEST((judge(run, queue_of("CONFIGURING"), kNow).state == RunState::starting));
}

BOOST_AUTO_TEST_CASE(a_job_at_its_end_is_told_by_its_last_start) {
  RunFacts run = sample_run();
  for (const char* state : {"RUNNING", "COMPLETING"}) {
    end(run, 0, 1000);
    BOOST_TEST((judge(run, queue_of(state), kNow).state == RunState::finished));
    end(run, 3, 100, "diverged");
    BOOST_TEST((judge(run, queue_of(state), kNow).state == RunState::failed));
    end(run, 85, 100);  // it requeues itself
    BOOST_TEST((judge(run, queue_of(state), kNow).state == RunState::starting));
    end(run, 3, 100, "diverged");
    run.starts.back().begin.restart = 0;  // its owner requeued it
    run.history = parse_history("12", "0 from 0\n0 ended 3\n1 from 90\n");
    BOOST_TEST((judge(run, queue_of(state), kNow).state == RunState::starting));
    BOOST_TEST((judge(run, queue_of("PENDING"), kNow).state == RunState::requeued));
    run.history.reset();
    end(run, 0, 1000);
    run.starts.back().begin.job = "11";  // of another job
    BOOST_TEST((judge(run, queue_of(state), kNow).state == RunState::starting));
    run.starts.back().begin.job = "12";
  }
}

/// What happened last is told, though the record of starts knows nothing of it.
BOOST_AUTO_TEST_CASE(jobs_that_end_before_their_ranks_start_are_told) {
  RunFacts run = sample_run();
  end(run, 85, 100);
  run.submissions = {{kNow - 200, "12", "s", "o-12"}, {kNow, "13", "s", "o-13"}};
  const auto queue = [](const char* state) { return Queue{{{"13", state, "None", "", {}, {}, {}}}, ""}; };
  BOOST_TEST((judge(run, queue("FAILED"), kNow).state == RunState::failed));
  BOOST_TEST(judge(run, queue("FAILED"), kNow).reason == "job 13 ended as FAILED and never trained: see 'o-13'");
  BOOST_TEST(contains(judge(run, {}, kNow).reason, "job 13 is not in the queue any more and never trained"));
  BOOST_TEST((judge(run, queue("PENDING"), kNow).state == RunState::waiting));
  const RunStatus cancelled = judge(run, queue("CANCELLED"), kNow);
  BOOST_TEST((cancelled.state == RunState::stopped));
  BOOST_TEST(cancelled.notes.at(0) == "job 13 was cancelled before it trained");

  run.submissions.pop_back();  // and a requeued start of the same job
  run.starts.back().begin.restart = 0;
  run.history = parse_history("12", "0 from 0\n0 ended 85\n1 from 100\n1 ended 127\n");
  const RunStatus failed = judge(run, queue_of("FAILED"), kNow);
  BOOST_TEST((failed.state == RunState::failed));
  BOOST_TEST(failed.reason == "start 1 of job 12 ended before it trained (exit code 127): see 'o-12'");
  BOOST_TEST(failed.exit_code.value() == 127);
  run.history = parse_history("12", "0 from 0\n0 ended 85\n");
  BOOST_TEST((judge(run, queue_of("FAILED"), kNow).state == RunState::stopped));
}

BOOST_AUTO_TEST_CASE(jobs_that_are_held_wait_and_suspended_ones_are_told) {
  RunFacts run = sample_run();
  end(run, 85, 100);
  for (const char* state : {"REQUEUE_HOLD", "SPECIAL_EXIT", "REQUEUED", "RESV_DEL_HOLD"}) {
    const RunStatus status = judge(run, queue_of(state, "JobHeldUser"), kNow);
    BOOST_TEST((status.state == RunState::requeued), state);
    BOOST_TEST(contains(status.reason, "scontrol release JOB (JobHeldUser), as " + std::string(state)), status.reason);
  }
  run.starts.back().end.reset();
  BOOST_TEST((judge(run, queue_of("SUSPENDED"), kNow).state == RunState::suspended));  // its lock grows old
  lock(run);
  BOOST_TEST((judge(run, queue_of("SUSPENDED"), kNow).state == RunState::suspended));
}

BOOST_AUTO_TEST_CASE(ends_are_told_by_their_code) {
  RunFacts run = sample_run();
  end(run, 0, 1000);
  BOOST_TEST((judge(run, {}, kNow).state == RunState::finished));
  end(run, 0, 100);
  BOOST_TEST((judge(run, {}, kNow).state == RunState::stopped));
  BOOST_TEST(contains(judge(run, {}, kNow).reason, "run.stop_after"));
  end(run, 85, 100);
  BOOST_TEST((judge(run, {}, kNow).state == RunState::stopped));
  end(run, 3, 100, "the loss is not finite");
  const RunStatus diverged = judge(run, queue_of("FAILED"), kNow);
  BOOST_TEST((diverged.state == RunState::failed));
  BOOST_TEST(diverged.reason == "the loss is not finite (exit code 3)");
  BOOST_TEST(diverged.exit_code.value() == 3);
  BOOST_TEST(!diverged.end_time.has_value());
}

/// Else a second job would be submitted onto a run that waits.
BOOST_AUTO_TEST_CASE(a_job_that_squeue_does_not_tell_of_may_wait) {
  const Queue silent{{}, "squeue does not answer"};
  RunFacts run = sample_run();
  end(run, 85, 100);
  const RunStatus status = judge(run, silent, kNow);
  BOOST_TEST((status.state == RunState::unknown));
  BOOST_TEST(contains(status.reason, "job 12 may wait or run: squeue does not answer"));
  BOOST_TEST(contains(status.notes.at(0), "the last start stopped"));
  end(run, 3, 100, "diverged");  // is not requeued
  BOOST_TEST((judge(run, silent, kNow).state == RunState::failed));
  run.submissions.push_back({kNow + 1, "13", "s", "o"});
  BOOST_TEST((judge(run, silent, kNow).state == RunState::unknown));
  end(run, 0, 1000);
  BOOST_TEST((judge(run, silent, kNow).state == RunState::unknown));
  run.submissions[0].time_seconds = kNow - 200;
  BOOST_TEST((judge(run, silent, kNow).state == RunState::finished));
  lock(run);
  BOOST_TEST((judge(run, silent, kNow).state == RunState::running));
  run.lock.reset();
  run.starts.clear();
  BOOST_TEST((judge(run, silent, kNow).state == RunState::unknown));
  BOOST_TEST(contains(judge(run, silent, kNow).reason, "job 13"));
}

BOOST_AUTO_TEST_CASE(a_start_without_an_end_died) {
  RunFacts run = sample_run();
  run.lock = train::LockSight{"n1", "12", "", 7, 300, false};
  const RunStatus died = judge(run, queue_of("OUT_OF_MEMORY"), kNow);
  BOOST_TEST((died.state == RunState::died));
  BOOST_TEST(contains(died.notes.at(0), "OUT_OF_MEMORY"));
  run.history = JobHistory{"12", 1, 1, 137};
  BOOST_TEST(contains(judge(run, {}, kNow).notes.at(0), "exit code 137"));
  run.history.reset();
  BOOST_TEST(contains(judge(run, {}, kNow, "NODE_FAIL").notes.at(0), "NODE_FAIL"));
  // The rank that failed first had a word, whatever its clock says; that of another start does not count.
  run.errors = {
      {0, 1, 1, "n9", 1, 1, 1, "sooner"}, {1, 20, 5, "n2", 1, 1, 99, "bad disk"}, {1, 10, 0, "n1", 1, 1, 99, "waited"}};
  const RunStatus failed = judge(run, {}, kNow);
  BOOST_TEST((failed.state == RunState::failed));
  BOOST_TEST(failed.reason == "rank 5 on n2, after step 99: bad disk");
}

BOOST_AUTO_TEST_CASE(restarts_are_counted_against_the_budget_of_the_job) {
  RunFacts run = sample_run();
  lock(run);
  BOOST_TEST(!judge(run, {}, kNow).restarts.has_value());
  run.history = JobHistory{"12", 3, 2, {}};
  BOOST_TEST(judge(run, {}, kNow).restarts.value() == 2);
  BOOST_TEST(judge(run, {}, kNow).max_restarts.value() == 3);
  run.history->last_code = 137;  // with a start to follow, and without
  BOOST_TEST(judge(run, queue_of("PENDING"), kNow).restarts.value() == 2);
  BOOST_TEST(judge(run, queue_of("FAILED"), kNow).restarts.value() == 1);
  run.history->job = "13";
  BOOST_TEST(!judge(run, {}, kNow).max_restarts.has_value());
}

BOOST_AUTO_TEST_CASE(a_batch_that_grows_counts_in_the_time_left) {
  config::Config config = *sample_run().config;
  BOOST_TEST(tokens_left(config, 100).value() == 900 * 32);
  BOOST_TEST(tokens_left(config, 5000).value() == 0);
  config.optim.batch_start = 1;
  config.optim.batch_ramp = 800;
  const double ramped = tokens_left(config, 0).value();
  BOOST_TEST((ramped < 1000 * 32 && ramped > 900 * 32));
  config.optim.batch_start = 3;  // does not divide the batch: somebody changed the file
  BOOST_TEST(!tokens_left(config, 0).has_value());
}

BOOST_AUTO_TEST_CASE(the_last_steps_of_this_start_give_the_speed) {
  std::vector<std::string> lines;
  for (int step = 1; step <= 30; ++step)
    lines.push_back(fmt::format(R"({{"step":{},"loss":{},"tokens":{},"seconds":{},"tokens_per_second":{}}})", step,
                                4.0 - step * 0.01, step * 10, step <= 25 ? 2 : 1, step <= 25 ? 5 : 10));
  lines.insert(lines.begin() + 20, R"({"step":20,"valid_loss":3.5,"bits_per_byte":1.5})");
  lines.push_back("damaged");
  lines.push_back(R"({"step":31,"loss":1})");  // a line that lacks something
  const Progress progress = progress_of(lines, 25);
  BOOST_TEST((progress.step == 30 && progress.tokens == 300 && progress.tokens_per_second == 10));
  BOOST_TEST((progress.valid_step == 20 && progress.valid_loss == 3.5 && progress.is_of_this_start));
  BOOST_TEST(progress_of(lines, 0).tokens_per_second == 5);  // 15 of the last 20 steps
  BOOST_TEST(!progress_of(lines, 30).is_of_this_start);
  BOOST_TEST(progress_of({}, 0).step == 0);
}

BOOST_AUTO_TEST_CASE(folders_that_are_no_runs_are_refused) {
  const testing::Folder folder;
  const auto is = [](const char* words) {
    return [=](const base::UsageError& e) { return contains(e.what(), words); };
  };
  BOOST_CHECK_EXCEPTION(read_run(folder / "none"), base::UsageError, is("does not exist"));
  BOOST_CHECK_EXCEPTION(read_run(folder.write("file", "")), base::UsageError, is("is a file"));
  BOOST_CHECK_EXCEPTION(read_run(folder.path.string()), base::UsageError, is("it holds no config.cfg"));
  folder.write("member-1/metrics.jsonl", "");
  BOOST_CHECK_EXCEPTION(read_run(folder.path.string()), base::UsageError, is("but holds some, as 'member-1'"));
}

/// Of versions without a record of starts, and with whatever a crash or a person left there.
BOOST_AUTO_TEST_CASE(old_and_damaged_folders_are_told) {
  const testing::Folder folder;
  folder.write("run/config.cfg", "[run]\nsteps = 20\nunknown = 1\n");
  folder.write("run/metrics.jsonl", R"({"step":9,"loss":2.0,"tokens":90,"seconds":1,"tokens_per_second":10})"
                                    "\n{\"st");
  folder.write("run/log/starts.jsonl", "\x01\x02{]");
  folder.write("run/checkpoints/step-00000009.h5", "not one");
  const RunFacts run = read_run(folder / "run/");
  BOOST_TEST((run.progress.step == 9 && run.checkpoint->step == 9 && !run.config));
  const RunStatus status = judge(run, {}, kNow);
  BOOST_TEST((status.state == RunState::stopped));
  BOOST_TEST(contains(status.reason, "no record"));
  BOOST_TEST(contains(status.notes.at(1), "unknown"));
  folder.write("run/config.cfg", "[run]\nsteps = 9\n");
  BOOST_TEST((judge(read_run(folder / "run"), {}, kNow).state == RunState::finished));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_finished_is_being_saved_only_while_a_training_lives) {
  const testing::Folder folder;
  folder.write("checkpoints/step-00000009.h5", "");
  folder.write("checkpoints/step-00000018.h5.tmp", "");
  const RunFacts dead = read_run(folder.path.string());
  BOOST_TEST((!dead.checkpoint->is_saving && dead.checkpoint->was_cut));
  BOOST_TEST(contains(status_text({dead, judge(dead, {}, kNow)}, kNow), "ago, another was cut off as it was saved"));
  std::string note;
  const train::RunLock lock(folder.path.string(), note);
  const RunFacts alive = read_run(folder.path.string());
  BOOST_TEST((alive.checkpoint->is_saving && !alive.checkpoint->was_cut));
}

BOOST_AUTO_TEST_CASE(no_step_is_of_a_start_that_loads) {
  const testing::Folder folder;
  folder.write("metrics.jsonl", R"({"step":9,"loss":2.0,"tokens":90,"seconds":1,"tokens_per_second":10})"
                                "\n");
  const metrics::StartLog log(folder.path.string());
  std::int64_t number = 0;
  BOOST_REQUIRE(log.begin({}, number) == "");
  Progress progress = read_run(folder.path.string()).progress;
  BOOST_TEST((!progress.is_of_this_start && progress.step == 9 && progress.tokens_per_second == 10));
  BOOST_REQUIRE(log.trains(number, 5, {}) == "");
  BOOST_TEST(read_run(folder.path.string()).progress.is_of_this_start);
}

BOOST_AUTO_TEST_CASE(nothing_is_made_up_of_what_may_not_be_read) {
  RunFacts run = sample_run();
  end(run, 0, 1000);
  run.closed = {"log", "checkpoints"};
  const RunStatus status = judge(run, {}, kNow);
  BOOST_TEST((status.state == RunState::unknown));
  BOOST_TEST(status.reason == "you may not read 'runs/a/log'");
  const bool is_noted = std::any_of(status.notes.begin(), status.notes.end(), [](const std::string& note) {
    return note == "'checkpoints' is there and you may not read it: what it tells is missing here";
  });
  BOOST_TEST(is_noted);
  run.closed = {"metrics.jsonl"};
  BOOST_TEST((judge(run, {}, kNow).state == RunState::finished));
}

BOOST_AUTO_TEST_CASE(a_lock_that_names_nobody_is_told_so) {
  RunFacts run = sample_run();
  run.lock = train::LockSight{"", "", "", 0, 3, true};
  BOOST_TEST(judge(run, {}, kNow).reason == "a process that its lock does not name");
}

BOOST_AUTO_TEST_CASE(text_and_json_hold_what_is_known) {
  RunFacts run = sample_run();
  lock(run);
  run.progress.valid_step = 50;
  run.progress.valid_loss = 2.75;
  run.history = JobHistory{"12", 3, 1, {}};
  const Report report{run, judge(run, queue_of("RUNNING"), kNow)};
  const std::string text = status_text(report, kNow);
  for (const char* part :
       {"'runs/a': running: process 7 on n1, job 12\n",
        "100 of 1000 (10%), loss 2.5000, validation loss 2.7500 at step 50",
        "64 tokens/s, 32.0 GFLOP/s, 0.25 of the matrix rate", "step 90, 5s ago; next at step 120, in about 10s",
        "12 RUNNING on n[1-2], 6m40s of 10m00s left", "1 of 3 used, after crashes"})
    BOOST_TEST(contains(text, part), part << " is not in\n" << text);
  const json::Json object = json::parse(status_json(report, kNow).dump(), "test");
  BOOST_TEST(object.at("state").as_string() == "running");
  BOOST_TEST(object.at("checkpoint").at("step").as_int() == 90);
  BOOST_TEST(object.at("job").at("id").as_string() == "12");
  BOOST_TEST(object.at("seconds_left").as_double() == 450);
  BOOST_TEST(object.at("restarts").as_int() == 1);
  BOOST_TEST(object.at("exit_code").is_null());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::jobs
