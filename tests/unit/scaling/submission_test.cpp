// SPDX-License-Identifier: Apache-2.0
#include "scaling/submission.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "scaling/lock.hpp"
#include "support/folder.hpp"
#include "unit/scaling/fixture.hpp"

namespace tessera::scaling {
namespace {

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

BOOST_AUTO_TEST_CASE(the_job_script_is_that_of_the_sources) {
  BOOST_TEST(scaling_job_script() == testing::read_bytes(TESSERA_SOURCE_DIR "/slurm/scaling.sbatch"));
}

BOOST_AUTO_TEST_CASE(two_cannot_measure_the_same_at_once) {
  const testing::Folder folder;
  const std::string path = folder / "points/a/lock";
  {
    const Lock lock(path);
    BOOST_CHECK_THROW(Lock{path}, base::UsageError);
  }
  BOOST_CHECK_NO_THROW(Lock{path});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::scaling
