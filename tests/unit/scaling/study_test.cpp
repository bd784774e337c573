// SPDX-License-Identifier: Apache-2.0
#include "scaling/study.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "unit/scaling/fixture.hpp"

namespace tessera::scaling {
namespace {

std::vector<std::string> names(const Study& study, const RankPoints& ranks) {
  std::vector<std::string> found;
  for (const std::size_t number : ranks.points) found.push_back(study.points[number].name);
  return found;
}

BOOST_AUTO_TEST_SUITE(study)

BOOST_AUTO_TEST_CASE(strong_keeps_the_batch_and_weak_the_work_of_a_rank) {
  Question question = small_question();
  for (const int ranks : {1, 2, 4}) BOOST_TEST(batch_of(question, Mode::strong, ranks) == 8);
  BOOST_TEST(batch_of(question, Mode::weak, 1) == 8);
  BOOST_TEST(batch_of(question, Mode::weak, 4) == 32);
  question.batch_per_rank = 3;
  BOOST_TEST(batch_of(question, Mode::weak, 4) == 12);
  BOOST_TEST(batch_of(question, Mode::strong, 4) == 8);
}

BOOST_AUTO_TEST_CASE(both_modes_share_the_points_they_have_in_common) {
  const Study study = plan(small_question());
  BOOST_REQUIRE(study.series.size() == 2U);
  const Series &strong = study.series[0], &weak = study.series[1];
  BOOST_TEST(names(study, strong.ranks[0]) == names(study, weak.ranks[0]), boost::test_tools::per_element());
  BOOST_TEST(names(study, strong.ranks[0]).front() == "1x1-batch8-micro_batch=8");
  BOOST_TEST(names(study, strong.ranks[2])[2] == "4x1-batch8-data=2,tensor=2");
  BOOST_TEST(names(study, weak.ranks[2])[2] == "4x1-batch32-data=2,tensor=2");
  for (std::size_t at = 0; at < study.points.size(); ++at)
    for (std::size_t other = 0; other < at; ++other) BOOST_TEST(study.points[at].name != study.points[other].name);
}

BOOST_AUTO_TEST_CASE(one_process_with_all_cores_of_the_node_is_measured_too) {
  Question question = small_question();
  Study study = plan(question);
  BOOST_TEST(study.series[0].node_threads == 2);  // the cores that there are, not the 4 ranks
  BOOST_TEST(names(study, study.series[0].node).front() == "1x2-batch8-micro_batch=8");
  BOOST_TEST(names(study, study.series[1].node).front() == "1x2-batch16-micro_batch=16");  // the work of two ranks
  question.threads = 2;  // as the single rank has them all
  study = plan(question);
  BOOST_TEST(study.series[0].node.points.empty());
}

BOOST_AUTO_TEST_CASE(a_single_rank_is_added_unless_it_is_not_wanted) {
  Question question = small_question({Mode::strong});
  question.ranks = {2, 4};
  BOOST_TEST(plan(question).series[0].ranks.front().ranks == 1);
  question.single_rank = false;
  const Study study = plan(question);
  BOOST_TEST(study.series[0].ranks.front().ranks == 2);
  BOOST_TEST(study.series[0].node.points.empty());
}

BOOST_AUTO_TEST_CASE(given_layouts_that_do_not_fit_are_kept_with_their_reason) {
  Question question = small_question({Mode::strong});
  question.layouts = "tensor=4;zero=1";
  const Study study = plan(question);
  const Point& refused = study.points[study.series[0].ranks[2].points[0]];
  BOOST_TEST(refused.name == "4x1-batch8-tensor=4");
  BOOST_TEST(refused.refused.find("model.heads") != std::string::npos, refused.refused);
  BOOST_TEST(study.points[study.series[0].ranks[2].points[1]].refused == "");
}

BOOST_AUTO_TEST_CASE(a_batch_that_no_layout_can_share_out_is_a_refused_point) {
  Question question = small_question({Mode::strong});
  question.config.model.layers = 1;
  question.config.model.heads = 1;
  question.config.optim.batch = 1;
  const Study study = plan(question);
  const RankPoints& two = study.series[0].ranks[1];
  BOOST_REQUIRE(two.points.size() == 1U);
  BOOST_TEST(study.points[two.points[0]].refused.find("optim.batch") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(bench_is_told_all_that_the_point_and_the_configuration_say) {
  Question question = small_question({Mode::strong});
  question.config.parallel.pipeline = 2;
  const Study study = plan(question);
  const auto point = std::find_if(study.points.begin(), study.points.end(),
                                  [](const Point& one) { return one.name == "2x1-batch8-data=2,zero=1"; });
  BOOST_REQUIRE((point != study.points.end()));
  BOOST_TEST(fmt::format("{}", fmt::join(bench_options(question, *point), " ")) ==
             "--run.threads=1 --model.layers=2 --model.hidden=32 --model.heads=2 --model.context=16 --model.vocab=257 "
             "--optim.batch=8 --parallel.zero=1 --warmup=2 --measure=5 --steps-only --json");
}

BOOST_AUTO_TEST_CASE(questions_that_cannot_be_asked_are_refused) {
  const auto refuses = [](const Question& question) { BOOST_CHECK_THROW(plan(question), base::UsageError); };
  Question question = small_question();
  question.ranks.clear();
  refuses(question);
  question = small_question();
  question.ranks_per_node = 3;  // 4 ranks
  refuses(question);
  question = small_question();
  question.config.optim.batch = 0;
  refuses(question);
  question = small_question();
  question.layouts = "heads=2";
  refuses(question);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::scaling
