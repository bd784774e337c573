// SPDX-License-Identifier: Apache-2.0
#include "scaling/runner.hpp"

#include <boost/test/unit_test.hpp>

#include "base/error.hpp"
#include "support/folder.hpp"
#include "unit/scaling/fixture.hpp"

namespace tessera::scaling {
namespace {

/// What `tessera bench --json` prints, as far as studies read it.
constexpr const char* kFigures =
    R"({"tokens_per_second":1000.0,"seconds_by_part":{"matrix":0.6,"communication":0.3,"other":0.1},)"
    R"("communication_by_axis":{"data":{"waited_seconds":0.2},"tensor":{"waited_seconds":0.05}},)"
    R"("bubble_formula":0.25,"bubble_fraction":0.3,"peak_memory_bytes":4096,"cores":2,"busy_cores":4,)"
    R"("hosts":[{"host":"here","ranks":4}],"cpu":"a CPU","micro_batch":2})";

/// Runs a shell in place of ranks and keeps what it was asked for.
class Shell final : public jobs::Executor {
 public:
  explicit Shell(std::string script) : script_(std::move(script)) {}
  jobs::LaunchCommand command(const jobs::Launch& launch) const override {
    return {{"sh", "-c", script_, std::to_string(launch.ranks), launch.words.back()}, {}};
  }

 private:
  std::string script_;
};

struct StudyFixture {
  testing::Folder files;
  Folder folder{files / "study"};
  Study study;
  std::vector<std::string> lines;
  RunSettings settings;

  StudyFixture() {
    Question question = small_question({Mode::strong});
    question.ranks = {1, 2};
    question.layouts = "data=2;tensor=2";
    question.cores = 1;
    study = plan(question);
    settings.program = "tessera";
    settings.tell = [this](const std::string& line) { lines.push_back(line); };
  }
  RunTotals run(const std::string& script) { return run_study(study, folder, Shell(script), settings); }
};

const std::string kGood = std::string("echo '") + kFigures + "'";

BOOST_AUTO_TEST_SUITE(runner)

BOOST_FIXTURE_TEST_CASE(all_points_run_once_before_any_runs_twice, StudyFixture) {
  const RunTotals totals = run(kGood);
  const std::size_t points = study.points.size();
  BOOST_TEST(totals.measured == 2 * static_cast<std::int64_t>(points));
  BOOST_TEST(totals.failed == 0);
  BOOST_REQUIRE(lines.size() == 2 * points);
  for (std::size_t at = 0; at < points; ++at) {
    BOOST_TEST(lines[at].find(study.points[at].name + ", run 1 of 2: 1000 tokens/s") != std::string::npos);
    BOOST_TEST(lines[points + at].find(study.points[at].name + ", run 2 of 2") != std::string::npos);
  }
}

BOOST_FIXTURE_TEST_CASE(figures_are_kept, StudyFixture) {
  run("echo 'a word of the launcher'; " + kGood);
  const std::optional<Result> result = folder.result(study.points.front(), 2);
  BOOST_REQUIRE(result.has_value());
  BOOST_TEST(result->tokens_per_second == 1000.0);
  BOOST_TEST(result->communication_share == 0.25, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(result->bubble == 0.3);
  BOOST_TEST(result->memory_bytes == 4096);
  BOOST_TEST(result->busy_cores == 4);
  BOOST_TEST(result->hosts == std::vector<std::string>{"here"}, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(only_what_is_missing_runs_again, StudyFixture) {
  int asked = 0;
  const auto all = static_cast<std::int64_t>(2 * study.points.size());
  settings.stop_requested = [&] { return lines.size() >= 3 && ++asked > 0; };
  const RunTotals first = run(kGood);
  BOOST_TEST(first.stopped);
  BOOST_TEST(first.measured == 3);
  settings.stop_requested = [] { return false; };
  const RunTotals second = run(kGood);
  BOOST_TEST(!second.stopped);
  BOOST_TEST(second.measured == all - 3);
  BOOST_TEST(run(kGood).measured == 0);
}

BOOST_FIXTURE_TEST_CASE(a_run_that_is_stopped_leaves_nothing, StudyFixture) {
  int asked = 0;
  settings.stop_requested = [&] { return ++asked > 3; };  // within the first run
  const RunTotals totals = run("sleep 100");
  BOOST_TEST(totals.stopped);
  BOOST_TEST(totals.measured + totals.failed == 0);
  BOOST_TEST(!folder.result(study.points.front(), 1));
}

BOOST_FIXTURE_TEST_CASE(a_point_that_failed_is_kept_with_its_cause_and_tried_again_when_asked, StudyFixture) {
  const std::string fails_on_two = "[ $0 = 1 ] || { echo 'error: no such luck' >&2; exit 1; }; ";
  const RunTotals totals = run(fails_on_two + kGood);
  BOOST_TEST(totals.failed == 2);  // two layouts on two ranks, each once
  BOOST_TEST(folder.result(study.points.back(), 1)->failure == "exit code 1: error: no such luck");
  BOOST_TEST(run(kGood).measured == 0);
  for (const Point& point : study.points) folder.forget_failures(point, 2);
  BOOST_TEST(run(kGood).measured == 4);
}

BOOST_FIXTURE_TEST_CASE(what_one_rank_refuses_is_not_tried_on_more, StudyFixture) {
  try {
    run("printf 'warning: w\\nerror: 2 problems:\\n  one\\n  two\\n' >&2; exit 2");
    BOOST_ERROR("the study went on");
  } catch (const base::UsageError& error) {
    BOOST_TEST(error.what() == std::string("2 problems:\n  one\n  two"));
  }
  BOOST_TEST(!folder.result(study.points.front(), 1));
}

BOOST_FIXTURE_TEST_CASE(output_without_figures_is_a_failure, StudyFixture) {
  BOOST_TEST(run("echo done").measured == 0);
  BOOST_TEST(folder.result(study.points.front(), 1)->failure == "it printed no figures");
}

BOOST_FIXTURE_TEST_CASE(one_point_can_be_run_alone, StudyFixture) {
  settings.only = study.points.back().name;
  BOOST_TEST(run(kGood).measured == 2);
  BOOST_TEST(!folder.result(study.points.front(), 1));
}

BOOST_FIXTURE_TEST_CASE(a_file_that_is_no_result_is_named, StudyFixture) {
  run(kGood);
  for (const char* text : {"", "{", "{}", "{\"failure\":null,\"bench\":{}}"}) {
    const std::string path = files.write("study/points/" + study.points.front().name + "/1.json", text);
    try {
      folder.result(study.points.front(), 1);
      BOOST_ERROR("taken: " << text);
    } catch (const base::Error& error) {
      BOOST_TEST(std::string(error.what()).starts_with("'" + path + "' is no result of a run ("), error.what());
    }
  }
}

BOOST_AUTO_TEST_CASE(the_cause_of_a_failure_is_its_last_error) {
  jobs::ProgramEnd end{1, "", "warning: a\nerror: first\nerror: the reason\nsrun: error: n1: task 0: Exited\n"};
  BOOST_TEST(cause_of(end, 60) == "exit code 1: error: the reason");
  end.errors = "mpirun noticed that process rank 1 exited on signal 9 (Killed).\n---\n";
  end.exit_code = 137;
  BOOST_TEST(cause_of(end, 60) ==
             "exit code 137 (killed, as by the system when memory is short): mpirun noticed that "
             "process rank 1 exited on signal 9 (Killed).");
  end = {1, "", "------\nmpirun has detected an attempt to run as root.\n\nWe advise against it.\n------\n"};
  BOOST_TEST(cause_of(end, 60) == "exit code 1: mpirun has detected an attempt to run as root.");
  end.timed_out = true;
  BOOST_TEST(cause_of(end, 60) == "no end within 1m00s (--timeout)");
}

BOOST_FIXTURE_TEST_CASE(a_folder_keeps_one_question, StudyFixture) {
  BOOST_TEST(!folder.question());
  folder.keep_question(study.question);
  folder.keep_question(study.question);
  BOOST_TEST(differences(*folder.question(), study.question).empty());
  run(kGood);
  Question other = study.question;
  other.num_steps = 50;
  other.config.model.layers = 4;
  try {
    folder.keep_question(other);
    BOOST_ERROR("another question was taken");
  } catch (const base::UsageError& error) {
    const std::string text = error.what();
    BOOST_TEST(text.find("steps = 50, was 5\n") != std::string::npos, text);
    BOOST_TEST(text.find("model.layers = '4', was '2'\n") != std::string::npos, text);
    BOOST_TEST(text.find("hidden") == std::string::npos, text);
  }
}

BOOST_FIXTURE_TEST_CASE(a_question_without_results_may_change, StudyFixture) {
  Question other = study.question;
  other.num_steps = 50;
  folder.keep_question(other);
  folder.keep_question(study.question);
  BOOST_TEST(folder.question()->num_steps == study.question.num_steps);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::scaling
