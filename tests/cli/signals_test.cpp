// SPDX-License-Identifier: Apache-2.0
// A signal asks a training to stop: whenever it comes, the run ends with 85 and a checkpoint that the next start takes.
#include <filesystem>
#include <fmt/core.h>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// Shell text that waits until the process in the background blocks SIGUSR1 (signal 10), which it does with all three:
/// one that comes before ends it, as nobody listens yet.
const std::string kListens = wait_until("grep -Eq '^SigBlk:.*[2367abef]..$' /proc/$!/status");

/// A run long enough to be interrupted, with matrices large enough for every kernel of the library.
const std::string kLong = " --run.steps 1000000 --model.hidden 128 --model.heads 4 --checkpoint.interval 0 --quiet ";

BOOST_FIXTURE_TEST_CASE(a_signal_at_any_moment_saves_and_exits_85, RunFixture) {
  const std::string train = tessera() + " train --config " + shell_quoted(config) + kLong;
  const char* const signals[] = {"USR1", "TERM", "INT"};
  for (int time = 0; time < 10; ++time) {
    const std::string delay = fmt::format("{:.2f}", 0.12 * time);
    const ProcessResult result =
        run_shell(train + "& " + kListens + "sleep " + delay + "; kill -" + signals[time % 3] + " $!; wait $!");
    BOOST_TEST(result.exit_code == 85, delay << " s: " << result.exit_code << result.errors);
    BOOST_TEST(result.errors == "");
  }
  const ProcessResult evaluated = run_shell(tessera() + " evaluate --checkpoint " + shell_quoted(run));
  BOOST_TEST(evaluated.exit_code == 0, evaluated.errors);
}

BOOST_FIXTURE_TEST_CASE(mpirun_hands_a_signal_to_all_ranks, RunFixture) {
  const std::string train = tessera_on(2) + " train --config " + shell_quoted(config) + kLong;
  for (int time = 0; time < 3; ++time) {
    const int seen = 1 + 20 * time;  // lines of metrics before the signal
    const ProcessResult result =
        run_shell(train + "& " + wait_for_lines(run + "/metrics.jsonl", seen) + "kill -USR1 $!; wait $!");
    BOOST_TEST(result.exit_code == 85, result.exit_code << result.errors);
    BOOST_TEST(!fs::is_empty(run + "/checkpoints"));
    fs::remove_all(run);
  }
}

}  // namespace
}  // namespace tessera::testing
