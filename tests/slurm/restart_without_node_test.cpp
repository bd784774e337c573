// SPDX-License-Identifier: Apache-2.0
// A node dies with slurmd and all ranks on it: the job starts again on the nodes that are left, with fewer ranks and
// the same global batch.
#include <cmath>

#include "slurm/early_jobs.hpp"
#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

const std::string kLocalCluster = shell_quoted(TESSERA_SOURCE_DIR "/scripts/local_cluster.sh");

/// With the values of the contract on what must be equal: batch is a multiple of 3 and 2 ranks.
const std::string kParity = "--optim.batch=12 --optim.epsilon=1e-5 ";

/// A job on each launcher, which both lose a node, as ranks do not know of each other.
void lose_a_node(Jobs& jobs) {
  for (const std::unique_ptr<JobFixture>& run : jobs) {
    run->nodes = "--nodes=2-3 --exclude=n1,n2";
    run->total_steps = 20;
    run->save_interval = 5;
    run->pace = 1;
    run->submit(&run == &jobs.front() ? "srun" : "mpirun", "", kParity);
  }
  for (const std::unique_ptr<JobFixture>& run : jobs) run->wait_for_steps(8);
  for (const std::unique_ptr<JobFixture>& run : jobs)
    BOOST_REQUIRE_MESSAGE(run->num_steps() < 18, "job " << run->id << " is about to end before its node is lost");
  const ProcessResult lost = shared_cluster()->run(kLocalCluster + " lose " + (Cluster::lost_node + 1));
  BOOST_REQUIRE_MESSAGE(lost.exit_code == 0, lost.errors);
}

EarlyJobs losers("a_lost_node_leaves_fewer_ranks_and_the_same_batch", 2, lose_a_node);

void starts_again_on_two_nodes(const JobFixture& run, bool under_mpirun) {
  run.wait_for_end("COMPLETED");
  BOOST_TEST(run.job("Restarts") == "1");
  const std::string log = run.log();
  BOOST_TEST(log.find("start 0: 3 rank(s) on n[3-5]\n") != std::string::npos, log);
  const std::size_t second = log.find("start 1: 2 rank(s) on n[3-4]\n");
  BOOST_REQUIRE_MESSAGE(second != std::string::npos, log);
  // mpirun ends at once, and the job asks for its requeue before Slurm has seen the loss.
  BOOST_TEST((log.find(", start 0: exit code ") < second) == under_mpirun, log);
  const std::int64_t resumed = resumed_step(log.substr(second));
  BOOST_TEST(resumed >= 5, log);
  BOOST_TEST(resumed >= last_saved_step(log.substr(0, second)), log);

  const std::string whole = run.folder / "whole";
  const ProcessResult undisturbed = run.train_alone(kParity + "--run.dir=" + shell_quoted(whole), 3);
  BOOST_REQUIRE_MESSAGE(undisturbed.exit_code == 0, undisturbed.errors);
  const std::string got = read_file(run.metrics), wanted = read_file(whole + "/metrics.jsonl");
  for (const char* const same : {"step", "tokens", "lr"})
    BOOST_TEST(metric_values(got, same) == metric_values(wanted, same), boost::test_tools::per_element());
  const std::vector<double> losses = metric_values(got, "loss"), expected = metric_values(wanted, "loss");
  BOOST_REQUIRE(losses.size() == 20U);
  for (std::size_t i = 0; i < losses.size(); ++i)
    BOOST_TEST(std::abs(losses[i] / expected[i] - 1) < 2e-6, "step " << i + 1 << ": " << losses[i] / expected[i] - 1);
}

BOOST_AUTO_TEST_CASE(a_lost_node_leaves_fewer_ranks_and_the_same_batch) {
  const Jobs jobs = losers.take();
  for (const std::unique_ptr<JobFixture>& run : jobs) starts_again_on_two_nodes(*run, &run != &jobs.front());
  if (jobs.empty()) return;
  const ProcessResult healed = shared_cluster()->run(kLocalCluster + " heal " + (Cluster::lost_node + 1));
  BOOST_TEST(healed.exit_code == 0, healed.errors);
}

}  // namespace
}  // namespace tessera::testing
