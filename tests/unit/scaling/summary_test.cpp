// SPDX-License-Identifier: Apache-2.0
#include "scaling/summary.hpp"

#include <boost/test/unit_test.hpp>

#include "scaling/report.hpp"
#include "unit/scaling/fixture.hpp"

namespace tessera::scaling {
namespace {

Result run_of(double tokens_per_second, std::int64_t busy_cores = 1, std::int64_t cores = 4) {
  Result result;
  result.tokens_per_second = tokens_per_second;
  result.busy_cores = busy_cores;
  result.cores = cores;
  result.hosts = {"here"};
  result.cpu = "a CPU";
  return result;
}

Point point_of(int ranks, int threads, const std::string& layout) {
  return {layout, ranks, threads, 8, layout == "data" ? Layout{} : parse_layouts(layout).front(), ""};
}

PointSummary measured(int ranks, const std::string& layout, double rate, std::int64_t busy = 0, int threads = 1) {
  return summarize(point_of(ranks, threads, layout), {run_of(rate, busy ? busy : ranks * threads)});
}

Row row_of(int ranks, std::vector<PointSummary> tried) {
  Row row;
  row.ranks = ranks;
  row.tried = std::move(tried);
  return row;
}

BOOST_AUTO_TEST_SUITE(summary)

BOOST_AUTO_TEST_CASE(a_point_is_the_median_of_its_runs_with_their_range) {
  const PointSummary summary =
      summarize(point_of(2, 1, "data"), {run_of(100), run_of(130), std::nullopt, run_of(104), run_of(96)});
  BOOST_TEST((summary.state == State::measured));
  BOOST_TEST(summary.runs == 4);
  BOOST_TEST(summary.tokens_per_second == 102.0);
  BOOST_TEST(summary.least == 96.0);
  BOOST_TEST(summary.greatest == 130.0);
  BOOST_TEST((summarize(point_of(2, 1, "data"), {std::nullopt}).state == State::missing));
}

BOOST_AUTO_TEST_CASE(a_run_that_failed_fails_its_point) {
  Result failed;
  failed.failure = "exit code 1: error: no";
  const PointSummary summary = summarize(point_of(2, 1, "data"), {run_of(100), failed});
  BOOST_TEST((summary.state == State::failed));
  BOOST_TEST(summary.cause == "exit code 1: error: no");
  Point refused = point_of(2, 1, "data");
  refused.refused = "optim.batch = 1 must divide";
  BOOST_TEST(summarize(refused, {std::nullopt}).cause == "refused: optim.batch = 1 must divide");
}

/// By hand: 1 rank 100 tokens/s, 2 ranks 180, 4 ranks 240; one process with 4 threads 320.
BOOST_AUTO_TEST_CASE(efficiency_is_against_the_fastest_single_rank) {
  SeriesSummary series;
  series.rows = {row_of(1, {measured(1, "micro_batch=8", 80), measured(1, "micro_batch=4", 100)}),
                 row_of(2, {measured(2, "tensor=2", 180), measured(2, "data", 150)}),
                 row_of(4, {measured(4, "data", 240)})};
  series.node = row_of(1, {measured(1, "micro_batch=2", 320, 4, 4)});
  compare(series);
  BOOST_TEST(*series.baseline_ranks == 1);
  BOOST_TEST(series.rows[0].chosen()->point.name == "micro_batch=4");
  BOOST_TEST(series.rows[1].chosen()->point.name == "tensor=2");
  BOOST_TEST(*series.rows[0].efficiency == 1.0, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[1].speedup == 1.8, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[1].efficiency == 0.9, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[2].efficiency == 0.6, boost::test_tools::tolerance(1e-12));
  // 320 tokens/s on 4 cores are 80 a core.
  BOOST_TEST(*series.rows[0].core_efficiency == 1.25, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[1].core_efficiency == 1.125, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[2].core_efficiency == 0.75, boost::test_tools::tolerance(1e-12));
}

/// By hand: 4 ranks on 2 cores have 2 cores, so that 190 tokens/s are 95 a core, against 200 / 2 of one process.
BOOST_AUTO_TEST_CASE(ranks_that_share_cores_have_no_more_than_there_are) {
  SeriesSummary series;
  series.rows = {row_of(1, {measured(1, "data", 100)}), row_of(4, {})};
  series.rows[1].tried = {summarize(point_of(4, 1, "data"), {run_of(190, 4, 2)})};
  series.node = row_of(1, {summarize(point_of(1, 2, "data"), {run_of(200, 2, 2)})});
  compare(series);
  BOOST_TEST(series.rows[1].chosen()->shares_cores());
  BOOST_TEST(*series.rows[1].efficiency == 0.475, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[1].core_efficiency == 0.95, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(without_a_single_rank_the_first_row_with_figures_is_the_baseline) {
  PointSummary failed = measured(1, "data", 1);
  failed.state = State::failed;
  SeriesSummary series;
  series.rows = {row_of(1, {failed}), row_of(2, {measured(2, "data", 150)}), row_of(4, {measured(4, "data", 240)})};
  compare(series);
  BOOST_TEST(!series.rows[0].efficiency);
  BOOST_TEST(*series.baseline_ranks == 2);
  BOOST_TEST(*series.rows[1].efficiency == 1.0, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[2].speedup == 1.6, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(*series.rows[2].efficiency == 0.8, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(!series.rows[2].core_efficiency);
}

BOOST_AUTO_TEST_CASE(the_report_names_what_was_compared_and_what_failed) {
  Summary all;
  all.question = small_question({Mode::strong});
  PointSummary failed = measured(4, "pipeline=2", 1);
  failed.state = State::failed;
  failed.cause = "exit code 137 (killed), with a comma";
  SeriesSummary series;
  series.rows = {row_of(1, {measured(1, "micro_batch=4", 100)}),
                 row_of(4, {summarize(point_of(4, 1, "data"), {run_of(190, 4, 2)}), failed})};
  compare(series);
  all.series = {series};
  const std::string text = report_text(all);
  for (const char* part :
       {"against 1 rank(s) of 1 thread(s), the fastest of 1 way(s), micro_batch=4", "4*", "47.5%",
        "these ranks share cores", "data=2,pipeline=2 failed", "exit code 137 (killed), with a comma"})
    BOOST_TEST(text.find(part) != std::string::npos, part << " is not in\n" << text);
  const std::string csv = report_csv(all);
  BOOST_TEST(csv.find("strong,ranks,4,1,8,data=4,measured,1,1,190,190,190,1.9,0.475,") != std::string::npos, csv);
  BOOST_TEST(csv.find("\"exit code 137 (killed), with a comma\"\n") != std::string::npos, csv);
  const json::Json object = json::parse(report_json(all), "report");
  const json::Json& row = object.at("series").as_array()[0].at("rows").as_array()[1];
  BOOST_TEST(row.at("speedup").as_double() == 1.9);
  BOOST_TEST(row.at("chosen").at("layout").as_string() == "data=4");
  BOOST_TEST(row.at("tried").as_array()[1].at("cause").as_string() == failed.cause);
}

BOOST_AUTO_TEST_CASE(the_report_says_how_missing_runs_are_made) {
  Summary all;
  all.num_missing = 3;
  const auto text_of = [&](const char* executor) {
    all.question.executor = executor;
    return report_text(all);
  };
  const std::string here = text_of("local"), queued = text_of("slurm");
  BOOST_TEST(here.find("3 run(s) are missing: `tessera scale run` with") != std::string::npos, here);
  BOOST_TEST(here.find("submit") == std::string::npos, here);
  BOOST_TEST(queued.find("3 run(s) are missing: `tessera scale submit` with") != std::string::npos, queued);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::scaling
