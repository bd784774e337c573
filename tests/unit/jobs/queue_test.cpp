// SPDX-License-Identifier: Apache-2.0
#include "jobs/queue.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "jobs/job_files.hpp"
#include "support/folder.hpp"

namespace tessera::jobs {
namespace {

BOOST_AUTO_TEST_SUITE(queue)

BOOST_AUTO_TEST_CASE(lines_of_squeue_are_read) {
  const std::vector<QueuedJob> jobs = parse_squeue(
      "12|PENDING|2026-11-26T05:00:00|1-02:00:00|1-02:00:00||Resources\n"
      "13_2|RUNNING|2026-11-26T03:00:00|45:10|2:00:00|n[1-2]|None\n"
      "slurm_load_jobs error: something\n"
      "15|PENDING|N/A|UNLIMITED|UNLIMITED||(launch failed requeued held)\n");
  BOOST_REQUIRE(jobs.size() == 3U);
  BOOST_TEST((jobs[0].id == "12" && jobs[0].state == "PENDING" && jobs[0].reason == "Resources"));
  BOOST_TEST((jobs[0].is_waiting() && jobs[0].is_active() && jobs[0].nodes.empty()));
  BOOST_TEST(jobs[0].limit_seconds.value() == 93600);
  BOOST_TEST(jobs[0].start_time.value() - parse_slurm_time("2026-11-26T04:00:00").value() == 3600);
  BOOST_TEST((jobs[1].id == "13_2" && jobs[1].nodes == "n[1-2]"));
  BOOST_TEST((jobs[1].is_active() && !jobs[1].is_waiting()));
  BOOST_TEST(jobs[1].seconds_left.value() == 45 * 60 + 10);
  BOOST_TEST((!jobs[2].start_time && !jobs[2].seconds_left && !jobs[2].limit_seconds));
}

BOOST_AUTO_TEST_CASE(only_a_job_that_ended_is_not_active) {
  const auto is_active = [](const char* state) {
    QueuedJob job;
    job.state = state;
    return job.is_active();
  };
  for (const char* end : {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL",
                          "DEADLINE", "OUT_OF_MEMORY"})
    BOOST_TEST(!is_active(end), end);
  // Those of newer Slurms, too: a run whose job is taken for ended may be submitted a second time.
  for (const char* state : {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUE_HOLD", "POWER_UP_NODE",
                            "RESV_DEL_HOLD", "EXPEDITING", "A_STATE_TO_COME"})
    BOOST_TEST(is_active(state), state);
}

BOOST_AUTO_TEST_CASE(durations_and_times_of_slurm) {
  BOOST_TEST(parse_slurm_duration("12").value() == 12);
  BOOST_TEST(parse_slurm_duration("1:00:05").value() == 3605);
  BOOST_TEST(parse_slurm_duration("2-00:00:01").value() == 172801);
  for (const char* text : {"", "INVALID", "NOT_SET", "1:2:3:4", "x-1:00", "-5", "1-"})
    BOOST_TEST(!parse_slurm_duration(text).has_value(), text);
  for (const char* text : {"", "N/A", "2026-11-26", "2026-11-26T04:00:00+01"})
    BOOST_TEST(!parse_slurm_time(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(reasons_are_told_in_words_and_by_name) {
  BOOST_TEST(describe_reason("Priority") == "others are before it (Priority)");
  BOOST_TEST(describe_reason("BeginTime").find("two minutes") != std::string::npos);
  BOOST_TEST(describe_reason("SomethingNew") == "SomethingNew");
}

/// Programs of Slurm that say what a test wants, before those that are installed.
struct FakeSlurm {
  testing::Folder folder;
  std::string path = std::getenv("PATH");
  explicit FakeSlurm(const std::string& squeue) {
    const std::string file = folder.write("bin/squeue", "#!/bin/sh\n" + squeue + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    ::setenv("PATH", (folder / "bin" + ":" + path).c_str(), 1);
  }
  ~FakeSlurm() { ::setenv("PATH", path.c_str(), 1); }
};

BOOST_AUTO_TEST_CASE(squeue_is_asked_for_all_jobs_at_once) {
  const FakeSlurm slurm("for w; do case $w in --jobs=3,4) echo '4|RUNNING|N/A|1:00|2:00|n1|None';; esac; done");
  const Queue queue = look_into_queue({"3", "4"});
  BOOST_TEST(queue.problem == "");
  BOOST_REQUIRE(queue.jobs.size() == 1U);
  BOOST_TEST(queue.jobs[0].id == "4");
  BOOST_TEST(look_into_queue({}).jobs.empty());
}

BOOST_AUTO_TEST_CASE(a_job_that_slurm_has_forgotten_is_no_problem) {
  const FakeSlurm slurm("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
  const Queue queue = look_into_queue({"3"});
  BOOST_TEST((queue.jobs.empty() && queue.problem.empty()));
}

BOOST_AUTO_TEST_CASE(a_controller_that_is_down_is_told) {
  const FakeSlurm slurm("echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1");
  BOOST_TEST(look_into_queue({"3"}).problem ==
             "Slurm does not tell: squeue: error: Unable to contact slurm controller");
}

BOOST_AUTO_TEST_CASE(histories_count_crashes) {
  const JobHistory none = parse_history("7", "");
  BOOST_TEST((none.num_starts == 0 && none.num_crashes == 0 && !none.last_code));
  // Two ends in order, a crash, one lost with its node, one that runs; and lines of others.
  const JobHistory some = parse_history("7",
                                        "0 from 0\n0 ended 85\n1 from 100\n1 ended 137\n# note\n2 from 150\nsignal "
                                        "left 170\n3 from 150\n3 ended 85\n4 from 200\n");
  BOOST_TEST(some.num_starts == 5);
  BOOST_TEST(some.num_crashes == 2);
  BOOST_TEST(!some.last_code.has_value());
  BOOST_TEST(parse_history("7", "0 from 0\n0 ended 1\n").num_crashes == 1);
}

BOOST_AUTO_TEST_CASE(the_newest_job_of_a_folder_is_found) {
  const testing::Folder folder;
  BOOST_TEST(!newest_history(folder / "run").has_value());
  using std::filesystem::last_write_time;
  const std::string first = folder.write("run/log/job-9_2.history", "0 from 0\n0 ended 1\n"),
                    second = folder.write("run/log/job-10.history", "0 from 0\n");
  folder.write("run/log/job-.history", "");
  folder.write("run/log/other", "");
  const auto now = last_write_time(second);
  last_write_time(first, now - std::chrono::hours(1));
  BOOST_TEST(newest_history(folder / "run")->job == "10");
  last_write_time(first, now + std::chrono::hours(1));
  BOOST_TEST(newest_history(folder / "run")->job == "9_2");
  BOOST_TEST(newest_history(folder / "run")->num_crashes == 1);
}

BOOST_AUTO_TEST_CASE(submissions_are_kept) {
  const testing::Folder folder;
  std::filesystem::create_directories(folder / "run/log");
  BOOST_TEST(read_submissions(folder / "run").empty());
  record_submission(folder / "run", {5.5, "12", "run/log/submit-1.sbatch", "run/log/slurm-12.out"});
  record_submission(folder / "run", {6.5, "13", "b", "c"});
  const std::vector<Submission> kept = read_submissions(folder / "run");
  BOOST_REQUIRE(kept.size() == 2U);
  BOOST_TEST((kept[0].time_seconds == 5.5 && kept[0].job == "12" && kept[0].script == "run/log/submit-1.sbatch"));
  BOOST_TEST(kept[1].output == "c");
  BOOST_CHECK_THROW(record_submission(folder / "none", {}), std::exception);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::jobs
