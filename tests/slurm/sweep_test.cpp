// SPDX-License-Identifier: Apache-2.0
// The members of a sweep are tasks of one array, and each lives and ends by itself.
#include <filesystem>

#include "slurm/resume.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// A fixture as if it were the job of one member of its sweep alone.
class Member {
 public:
  Member(JobFixture& sweep, int number, const std::string& folder) : sweep_(sweep), id_(sweep.id), run_(sweep.run) {
    sweep.id = id_ + "_" + std::to_string(number);
    sweep.run = sweep.folder / folder;
    sweep.metrics = sweep.run + "/metrics.jsonl";
    sweep.log_file = sweep.folder / ("log-" + std::to_string(number));
  }
  ~Member() {
    sweep_.id = id_;
    sweep_.run = run_;
  }
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  JobFixture* operator->() { return &sweep_; }

 private:
  JobFixture& sweep_;
  std::string id_, run_;
};

void expect_refusal(JobFixture& sweep, int number, const std::string& message) {
  Member member(sweep, number, "");
  member->wait_for_end("FAILED");
  BOOST_TEST(member->job("ExitCode") == "2:0");
  const std::string log = member->log();
  BOOST_TEST(log.find("error: " + message) != std::string::npos, log);
}

BOOST_FIXTURE_TEST_CASE(members_of_a_sweep_are_trained_and_requeued_by_themselves, JobFixture) {
  script = "sweep.sbatch";
  members =
      "\xEF\xBB\xBF# the rate, then the seed\n\n--optim.lr=2e-3 --run.stop_after=300\nrun.seed=5\n--run.seed='6\n  "
      "--run.dir='" +
      (folder / "a folder") + "' --run.stop_after=300\n--optim.lr=3e-3\n";
  let_second_start_end(*this);
  if (!submit("srun", "--array=1-5 --output=" + shell_quoted(folder / "log-%a"))) return;
  {
    Member last(*this, 5, "run/member-5");
    last->wait_for_steps(20);
    last->ask("scancel --signal=TERM");
    last->wait_for_requeue(1);
    BOOST_TEST(last->newest_checkpoint() == last->num_steps());
    last->alone = "--optim.lr=3e-3";
    resumes_bit_equal(*this);
  }
  // The number of the array's last task is that of the whole array: the others were not requeued with it.
  for (const int number : {1, 4}) {
    Member other(*this, number, number == 1 ? "run/member-1" : "a folder");
    other->wait_for_end("COMPLETED");
    BOOST_TEST(other->job("Restarts") == "0");
    BOOST_TEST(other->num_steps() == 300);
    BOOST_TEST(other->log().find(fmt::format("member {} of 5: --", number)) != std::string::npos, other->log());
  }
  expect_refusal(*this, 2, "member 2 of '" + (folder / "members") + "': 'run.seed=5' is not of the form");
  expect_refusal(*this, 3, "member 3 of '" + (folder / "members") + "': a quote is not closed: --run.seed='6\n");
  BOOST_TEST(!fs::exists(run + "/checkpoints"));
}

BOOST_FIXTURE_TEST_CASE(a_member_beyond_the_file_is_refused, JobFixture) {
  script = "sweep.sbatch";
  members = "--run.seed=2\n# --run.seed=3\n";
  if (!submit("srun", "--array=2 --output=" + shell_quoted(folder / "log-%a"))) return;
  expect_refusal(*this, 2, "'" + (folder / "members") + "' has no member 2: it has 1, sbatch --array=1-1\n");
}

BOOST_FIXTURE_TEST_CASE(a_sweep_that_is_no_array_is_refused, JobFixture) {
  script = "sweep.sbatch";
  members = "--run.seed=2\n";
  if (!submit("srun")) return;
  wait_for_end("FAILED");
  BOOST_TEST(job("ExitCode") == "2:0");
  BOOST_TEST(log().find("error: which members? sbatch --array=1-N slurm/sweep.sbatch ") != std::string::npos, log());
}

}  // namespace
}  // namespace tessera::testing
