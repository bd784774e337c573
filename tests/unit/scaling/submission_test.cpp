// SPDX-License-Identifier: Apache-2.0
#include "scaling/submission.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "scaling/summary.hpp"
#include "support/folder.hpp"
#include "unit/scaling/fixture.hpp"

namespace tessera::scaling {
namespace {

/// A study of two points, queued as jobs 11 and 12, and a squeue that says what a test wants.
struct QueuedStudy {
  testing::Folder files;
  Folder folder{files / "study"};
  Study study;
  std::string path = std::getenv("PATH");

  QueuedStudy() {
    Question question = small_question({Mode::strong});
    question.executor = "slurm";
    question.ranks = {2};
    question.layouts = "data=2;tensor=2";
    question.single_rank = false;
    question.num_repeats = 1;
    study = plan(question);
    BOOST_REQUIRE(study.points.size() == 2U);
    folder.keep_job(study.points[0], "11");
    folder.keep_job(study.points[1], "12");
    ::setenv("PATH", (files / "bin" + ":" + path).c_str(), 1);
  }
  ~QueuedStudy() { ::setenv("PATH", path.c_str(), 1); }

  /// Commands of a shell; each call of squeue leaves a line in the file `calls`.
  void squeue(const std::string& script) const {
    const std::string file = files.write("bin/squeue", "#!/bin/sh\necho >>" + files / "calls" + "\n" + script + "\n");
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  std::size_t num_calls() const {
    const std::string calls = testing::read_bytes(files / "calls");
    return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), '\n'));
  }
  void give_result(const Point& point) const {
    RunEnd end;
    end.output =
        R"({"tokens_per_second":1000.0,"seconds_by_part":{"matrix":1.0},"communication_by_axis":{)"
        R"("data":{"waited_seconds":0.0},"tensor":{"waited_seconds":0.0}},"bubble_formula":0.0,"bubble_fraction":0.0,)"
        R"("peak_memory_bytes":4096,"cores":2,"busy_cores":2,"hosts":[{"host":"n1"}],"cpu":"a CPU","micro_batch":2})";
    folder.keep_result(point, 1, end);
  }
  /// Of the first point.
  PointSummary first() const { return summarize(study, folder).series[0].rows[0].tried[0]; }
};

constexpr const char* kOneRuns = "echo '12|RUNNING|N/A|1:00|2:00|n1|None'";
constexpr const char* kDown = "echo 'Unable to contact slurm controller' >&2; exit 1";

BOOST_AUTO_TEST_SUITE(submission)

BOOST_AUTO_TEST_CASE(a_job_has_the_shape_of_its_point) {
  Question question = small_question({Mode::strong});
  question.executor = "slurm";
  question.ranks = {8};
  question.ranks_per_node = 4;
  question.threads = 2;
  question.layouts = "zero=1";
  const Study study = plan(question);
  SubmitSettings settings;
  settings.program = "/opt/tessera";
  settings.site = "/opt/site.env";
  settings.timeout_seconds = 90;
  settings.sbatch_options = {"--time=5"};
  const jobs::BatchJob one = job_of(study, study.points.front(), Folder("/studies/first"), settings);
  BOOST_TEST(one.nodes == 1);
  BOOST_TEST(one.ranks_per_node == 1);
  const Point& eight = study.points[study.series[0].ranks[1].points[0]];
  const jobs::BatchJob job = job_of(study, eight, Folder("/studies/first"), settings);
  BOOST_TEST(job.nodes == 2);
  BOOST_TEST(job.ranks_per_node == 4);
  BOOST_TEST(job.threads == 2);
  BOOST_TEST(job.name == "scale-first");
  BOOST_TEST(job.log == "/studies/first/log/8x2-batch8-data=8,zero=1-%j.out");
  BOOST_TEST(fmt::format("{}", fmt::join(job.words, " ")) ==
             "/studies/first/scaling.sbatch --output /studies/first --only 8x2-batch8-data=8,zero=1 --timeout=90");
  BOOST_TEST(fmt::format("{}", fmt::join(job.environment, " ")) ==
             "TESSERA_BINARY=/opt/tessera TESSERA_SITE=/opt/site.env");
  BOOST_TEST(job.sbatch_options == settings.sbatch_options, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_folder_may_hold_what_sbatch_would_read_as_a_pattern) {
  const Study study = plan(small_question({Mode::strong}));
  const jobs::BatchJob job = job_of(study, study.points.front(), Folder("/at 50%j"), {});
  BOOST_TEST(job.log == "/at 50%%j/log/" + study.points.front().name + "-%j.out");
}

BOOST_AUTO_TEST_CASE(the_job_script_is_that_of_the_sources) {
  BOOST_TEST(scaling_job_script() == testing::read_bytes(TESSERA_SOURCE_DIR "/slurm/scaling.sbatch"));
}

BOOST_FIXTURE_TEST_CASE(one_question_to_slurm_tells_of_all_jobs, QueuedStudy) {
  squeue(kOneRuns);
  const OpenJobs open = open_jobs(study, folder);
  BOOST_TEST(num_calls() == 1U);
  BOOST_TEST(open.waiting == std::vector<std::string>{"12"}, boost::test_tools::per_element());
  BOOST_TEST(open.ended == std::vector<std::string>{"11"}, boost::test_tools::per_element());
  give_result(study.points[0]);
  BOOST_TEST(open_jobs(study, folder).ended.empty());
}

BOOST_FIXTURE_TEST_CASE(a_loss_never_stands_in_the_way_of_a_result, QueuedStudy) {
  settle_jobs(study, folder, {"11"});
  BOOST_TEST(!folder.result(study.points[0], 1));
  BOOST_TEST((first().state == State::failed));
  BOOST_TEST(first().cause.starts_with("job 11 ended without a result of run 1: see '"), first().cause);
  BOOST_TEST(summarize(study, folder).num_missing == 1);
  give_result(study.points[0]);  // made all along, and seen only now
  BOOST_TEST((first().state == State::measured));
  settle_jobs(study, folder, {"11"});
  BOOST_TEST((first().state == State::measured));
}

BOOST_FIXTURE_TEST_CASE(a_loss_is_of_its_job_and_forgotten_when_asked, QueuedStudy) {
  settle_jobs(study, folder, {"11", "12"});
  folder.keep_job(study.points[0], "13");
  BOOST_TEST((first().state == State::missing));
  folder.forget_failures(study.points[1], 1);
  BOOST_TEST(!folder.loss(study.points[1]));
  folder.forget_failures(study.points[1], 1);  // nothing is there
}

BOOST_FIXTURE_TEST_CASE(without_an_answer_of_slurm_nothing_is_lost_or_queued_twice, QueuedStudy) {
  squeue(kDown);
  const OpenJobs open = open_jobs(study, folder);
  BOOST_TEST(open.problem.find("Unable to contact") != std::string::npos, open.problem);
  BOOST_TEST(open.waiting.size() == 2U);
  BOOST_TEST(open.ended.empty());
  BOOST_CHECK_THROW(submit_study(study, folder, {}), base::Error);
}

BOOST_FIXTURE_TEST_CASE(waiting_outlasts_a_slurm_that_does_not_answer, QueuedStudy) {
  const std::string calls = files / "calls";
  squeue("[ $(wc -l <" + calls + ") -gt 2 ] || { " + kDown + "; }");  // then it knows of no job
  std::vector<std::string> warnings;
  WaitSettings settings{0.05, 0.05, 0.1};
  settings.warn = [&](const std::string& warning) { warnings.push_back(warning); };
  give_result(study.points[1]);
  BOOST_TEST(wait_for_jobs(study, folder, settings).empty());
  BOOST_TEST(warnings.size() == 1U);
  BOOST_TEST(folder.loss(study.points[0]).has_value());
  BOOST_TEST(!folder.loss(study.points[1]));
}

BOOST_FIXTURE_TEST_CASE(a_result_that_comes_late_is_no_loss, QueuedStudy) {
  squeue(":");
  give_result(study.points[1]);
  int asked = 0;
  WaitSettings settings{0.05, 0.05, 5};
  settings.stop_requested = [&] {
    if (++asked == 5) give_result(study.points[0]);
    return false;
  };
  BOOST_TEST(wait_for_jobs(study, folder, settings).empty());
  BOOST_TEST((first().state == State::measured));
  BOOST_TEST(!folder.loss(study.points[0]));
}

BOOST_FIXTURE_TEST_CASE(results_end_the_wait_without_a_question_to_slurm, QueuedStudy) {
  squeue(kOneRuns);
  int asked = 0;
  WaitSettings settings{0.05, 60, 60};
  settings.stop_requested = [&] {
    if (++asked == 3) std::for_each(study.points.begin(), study.points.end(), [&](auto& one) { give_result(one); });
    return false;
  };
  BOOST_TEST(wait_for_jobs(study, folder, settings).empty());
  BOOST_TEST(num_calls() == 1U);
}

BOOST_FIXTURE_TEST_CASE(who_stops_waiting_is_told_the_jobs_that_are_left, QueuedStudy) {
  squeue(kOneRuns);
  give_result(study.points[0]);
  WaitSettings settings;
  settings.stop_requested = [] { return true; };
  BOOST_TEST(wait_for_jobs(study, folder, settings) == std::vector<std::string>{"12"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::scaling
