// SPDX-License-Identifier: Apache-2.0
// Scaling studies under Slurm: all points in one job, under both launchers, and a job for each point.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "json/json.hpp"
#include "slurm/cluster.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A study of a tiny model on one rank and on two nodes of one rank.
struct StudyFixture {
  TestFolder folder;
  std::string config = folder / "tiny.cfg", study = folder / "study", log = folder / "log";
  const Cluster* cluster = shared_cluster();

  StudyFixture() {
    write_file(config, "[model]\nlayers = 2\nhidden = 32\nheads = 2\ncontext = 16\nvocab = 257\n[optim]\nbatch = 2\n");
  }
  std::string question() const {
    return " --config " + shell_quoted(config) +
           " --nodes 1,2 --ranks-per-node 1 --run.threads=1 --mode strong --layouts zero=1 --steps 2 --warmup 1 "
           "--repeats 1 --output " +
           shell_quoted(study);
  }
  /// "tessera scale ..." on the login node.
  ProcessResult scale(const std::string& options) const { return cluster->run("\"$TESSERA_BINARY\" scale " + options); }
  /// Submits a job that makes the whole study. `settings` come before sbatch.
  void submit_whole(const std::string& settings) const {
    const ProcessResult submitted =
        cluster->run(settings + " sbatch --nodes=2 --ntasks-per-node=1 --exclude=" + Cluster::lost_node + " --output=" +
                     shell_quoted(log) + " " + shell_quoted(TESSERA_SOURCE_DIR "/slurm/scaling.sbatch") + question());
    BOOST_REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.errors);
  }
  std::string log_text() const { return fs::exists(log) ? read_file(log) : ""; }
  json::Json report() const {
    const ProcessResult reported = scale("report " + shell_quoted(study) + " --json");
    BOOST_REQUIRE_MESSAGE(reported.exit_code == 0, reported.errors);
    return json::parse(reported.output, "report");
  }
  /// The report shows both numbers of ranks with figures, in as many nodes.
  void has_figures() const {
    const json::Json object = report();
    const json::Array& rows = object.at("series").as_array()[0].at("rows").as_array();
    BOOST_REQUIRE(rows.size() == 2U);
    BOOST_TEST(rows[0].at("efficiency").as_double() == 1.0);
    BOOST_REQUIRE(!rows[1].at("chosen").is_null());
    BOOST_TEST(rows[1].at("chosen").at("ranks").as_int() == 2);
    BOOST_TEST(rows[1].at("efficiency").as_double() > 0);
    // The two nodes are one machine, and share its cores.
    BOOST_TEST(rows[1].at("chosen").at("busy_cores").as_int() == 2);
  }
  std::string command_of(const std::string& point) const {
    return json::parse(read_file(study + "/points/" + point + "/1.json"), point).at("command").as_string();
  }
};

BOOST_AUTO_TEST_SUITE(scale)

BOOST_AUTO_TEST_CASE(one_job_makes_a_study_under_both_launchers) {
  if (!cluster_or_skip()) return;
  StudyFixture studies[2];  // side by side
  const std::string launchers[] = {"srun", "mpirun"};
  for (int at = 0; at < 2; ++at) studies[at].submit_whole("TESSERA_LAUNCHER=" + launchers[at]);
  for (int at = 0; at < 2; ++at) {
    const StudyFixture& made = studies[at];
    wait_for(
        "end of the study", 120, [&] { return contains(made.log_text(), "strong scaling: "); },
        [&] { return made.cluster->run("squeue").output + made.log_text(); });
    made.has_figures();
    BOOST_TEST(contains(made.command_of("2x1-batch2-data=2,zero=1"), " " + launchers[at] + " "));
    BOOST_TEST(contains(made.log_text(), "[3/3] 2x1-batch2-data=2,zero=1, run 1 of 1: "), made.log_text());
  }
}

BOOST_FIXTURE_TEST_CASE(a_study_is_a_job_for_each_point, StudyFixture) {
  if (!cluster_or_skip()) return;
  const std::string exclude = std::string(" --sbatch=--exclude=") + Cluster::lost_node;
  const ProcessResult submitted = scale("submit" + question() + exclude);
  BOOST_REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.errors);
  for (const char* point :
       {": 1x1-batch2-micro_batch=2\n", ": 1x1-batch2-micro_batch=1\n", ": 2x1-batch2-data=2,zero=1\n"})
    BOOST_TEST(contains(submitted.output, point), submitted.output);
  wait_for(
      "end of the study", 120, [&] { return report().at("missing_runs").as_int() == 0; },
      [&] { return cluster->run("squeue; cat " + shell_quoted(study) + "/log/*").output; });
  has_figures();
  BOOST_TEST(contains(scale("submit --output " + shell_quoted(study)).output, "nothing to queue"));
}

BOOST_FIXTURE_TEST_CASE(a_job_that_is_lost_is_a_failed_point_and_queued_again_when_asked, StudyFixture) {
  if (!cluster_or_skip()) return;
  BOOST_REQUIRE(scale("submit" + question() + " --sbatch=--hold").exit_code == 0);
  const std::string job =
      json::parse(read_file(study + "/points/2x1-batch2-data=2,zero=1/job.json"), "job").at("id").as_string();
  const json::Json waiting = report();
  BOOST_TEST(waiting.at("missing_runs").as_int() == 3);
  BOOST_TEST(contains(scale("submit --output " + shell_quoted(study)).output, "nothing to queue"));  // they wait
  cluster->run("scancel --name=scale-study");
  wait_for(
      "loss", 60, [&] { return report().at("missing_runs").as_int() == 0; },
      [&] { return cluster->run("squeue").output; });
  const std::string text = scale("report " + shell_quoted(study)).output;
  BOOST_TEST(contains(text, "2x1-batch2-data=2,zero=1: job " + job + " ended without a result of run 1: see '"), text);
  // All at once, and waited for.
  const ProcessResult again = scale("run --executor slurm --retry --output " + shell_quoted(study) +
                                    " --sbatch=--exclude=" + Cluster::lost_node);
  BOOST_TEST(again.exit_code == 0, again.output << again.errors);
  has_figures();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::testing
