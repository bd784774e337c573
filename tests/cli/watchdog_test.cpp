// SPDX-License-Identifier: Apache-2.0
// A rank that stops answering is named by the others, and one that dies takes the job with it.
#include <filesystem>
#include <fmt/core.h>
#include <sstream>
#include <unistd.h>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kRanks = 3;

struct WatchdogFixture : RunFixture {
  std::string heartbeat = run + "/heartbeat";

  struct Outcome {
    ProcessResult result;
    double seconds = 0;  ///< from the signal to the end of the job
    std::string pid, step;
  };

  /// Shell text that starts training as job $job and waits until some steps are done.
  std::string start =
      tessera_on(kRanks) + " train --config " + shell_quoted(config) +
      " --run.steps 1000000 --optim.batch 24 --checkpoint.interval 0 --parallel.timeout 3 --quiet & job=$!; " +
      "for i in $(seq 600); do test $(cat " + shell_quoted(run + "/metrics.jsonl") +
      " 2>&- | wc -l) -ge 20 && break; sleep 0.1; done; sleep 1.2; ";

  /// Trains for some steps, sends `signal` to rank `rank` and waits for the end.
  Outcome train_and_signal(const std::string& signal, int rank) const {
    const std::string file = shell_quoted(fmt::format("{}/rank-{}.json", heartbeat, rank));
    const std::string shell = start + R"(pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' )" + file + "); kill -" + signal +
                              " $pid; tail -n 1 " + shell_quoted(run + "/metrics.jsonl") +
                              R"( | sed 's/.*"step":\([0-9]*\).*/\1/'; echo $pid; date +%s.%N; )" +
                              "wait $job; code=$?; date +%s.%N; kill -KILL $pid 2>&-; exit $code";
    Outcome outcome;
    outcome.result = run_shell("( " + shell + " )");
    std::istringstream lines(outcome.result.output);
    double begin = 0, end = 0;
    lines >> outcome.step >> outcome.pid >> begin >> end;
    outcome.seconds = end - begin;
    return outcome;
  }
};

BOOST_FIXTURE_TEST_CASE(a_stopped_rank_is_named, WatchdogFixture) {
  for (const int stopped : {2, 0}) {
    const Outcome outcome = train_and_signal("STOP", stopped);
    const std::string& errors = outcome.result.errors;
    BOOST_TEST(outcome.result.exit_code != 0, errors);
    BOOST_TEST(outcome.seconds < 3 + 10, outcome.seconds << " s\n" << errors);
    char host[256] = {};
    BOOST_REQUIRE(gethostname(host, sizeof host - 1) == 0);
    BOOST_TEST(errors.find(fmt::format(": rank {} on {} (pid {}) has not answered for 3 s: its last sign of life was ",
                                       stopped, host, outcome.pid)) != std::string::npos,
               errors);
    BOOST_TEST(errors.find("parallel.timeout = 3") != std::string::npos, errors);
    const std::size_t at = errors.find(": step ");
    BOOST_REQUIRE_MESSAGE(at != std::string::npos, errors);
    // The rank is stopped at some instant after the line of its last step was read, in an evaluation of it or later.
    const int steps_later = std::stoi(errors.substr(at + 7)) - std::stoi(outcome.step);
    BOOST_TEST((steps_later >= 0 && steps_later <= 3), steps_later << errors);
    fs::remove_all(run);
  }
}

BOOST_FIXTURE_TEST_CASE(a_job_that_was_suspended_goes_on, WatchdogFixture) {
  const std::string pids = R"($(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' )" + shell_quoted(heartbeat) + "/rank-*.json)";
  const std::string metrics = shell_quoted(run + "/metrics.jsonl");
  const ProcessResult result =
      run_shell(start + " pids=" + pids + "; kill -STOP $pids; sleep 5; before=$(wc -l < " + metrics +
                "); kill -CONT $pids; for i in $(seq 100); do test $(wc -l < " + metrics +
                ") -gt $((before + 50)) && break; sleep 0.1; done; kill -USR1 $job; wait $job");
  BOOST_TEST(result.exit_code == 85, result.exit_code << result.errors);
  BOOST_TEST(!fs::exists(heartbeat));
}

BOOST_FIXTURE_TEST_CASE(a_killed_rank_ends_the_job, WatchdogFixture) {
  for (int killed = 0; killed < kRanks; ++killed) {
    const Outcome outcome = train_and_signal("KILL", killed);
    BOOST_TEST(outcome.result.exit_code != 0, outcome.result.errors);
    BOOST_TEST(outcome.seconds < 10, outcome.seconds << " s\n" << outcome.result.errors);
    BOOST_TEST(fs::exists(heartbeat));  // and the next start clears it
    fs::remove(run + "/lock");
    fs::remove_all(run + "/checkpoints");
  }
  const ProcessResult next = train("--quiet", 2);
  BOOST_TEST(next.exit_code == 0, next.errors);
  BOOST_TEST(!fs::exists(heartbeat));
}

}  // namespace
}  // namespace tessera::testing
