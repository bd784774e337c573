// SPDX-License-Identifier: Apache-2.0
// Runs that a signal meets at a chosen instant, and the proof that they went on as if it had not come.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fmt/core.h>

#include "cli/resume.hpp"
#include "support/signal_gate.hpp"

namespace tessera::testing {

/// How often a text holds another.
inline int count_of(const std::string& part, const std::string& text) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// A run that is asked to stop at an instant.
struct StopFixture : RunFixture {
  std::string metrics = run + "/metrics.jsonl", output = folder / "output";

  SignalGate gate(const GateInstant& instant) const { return {folder.path(), instant}; }

  /// Starts a training in the background as $job, waits until a rank is held by the gate, runs `then` (shell text, as
  /// "kill -USR1 $job; ") and waits for the end. What the run prints is in the file `output`, too, from the start on.
  ProcessResult train_until(const SignalGate& gate, int ranks, const std::string& more, const std::string& then) const {
    const std::string program =
        ranks == 1 ? "OMP_NUM_THREADS=1 " + shell_quoted(gate.program()) : launched_on(ranks, gate.program());
    return run_shell(program + " train --config " + shell_quoted(config) + " " + more + " >" + shell_quoted(output) +
                     " & job=$!; " + gate.wait("! kill -0 $job") + then + "wait $job; code=$?; cat " +
                     shell_quoted(output) + "; exit $code");
  }
  /// Shell text that waits until the run has taken a signal: of two that come before that, only one is seen.
  std::string wait_for_request() const { return wait_until("grep -q 'stop requested (' " + shell_quoted(output)); }
  /// Step of the newest checkpoint; -1: there is none.
  std::int64_t newest_checkpoint() const {
    std::int64_t newest = -1;
    for (const auto& file : std::filesystem::directory_iterator(run + "/checkpoints"))
      if (file.path().extension() == ".h5")
        newest = std::max<std::int64_t>(newest, std::stoll(file.path().stem().string().substr(sizeof "step-" - 1)));
    return newest;
  }

  /// Goes on to the end, and compares with a run that never stopped: every line of metrics, every bit of the weights.
  ProcessResult goes_on_as_undisturbed(int ranks, const std::string& more) const {
    const std::int64_t saved = newest_checkpoint();
    const ProcessResult second = train(more, ranks);
    BOOST_REQUIRE_MESSAGE(second.exit_code == 0, second.errors);
    const std::string last = fmt::format("step-{:08}.h5' (step {})\n", saved, saved);
    BOOST_TEST(second.output.find("resumed from '" + run + "/checkpoints/" + last) != std::string::npos, second.output);
    const ProcessResult whole = train(more + " --run.dir " + shell_quoted(folder / "whole"), ranks);
    BOOST_REQUIRE_MESSAGE(whole.exit_code == 0, whole.errors);
    BOOST_TEST(comparable_metrics(metrics) == comparable_metrics(folder / "whole/metrics.jsonl"),
               boost::test_tools::per_element());
    const std::string end = fmt::format("/checkpoints/step-{:08}.h5", newest_checkpoint());
    BOOST_TEST((tensors(run + end) == tensors(folder / ("whole" + end))));
    return second;
  }
};

}  // namespace tessera::testing
