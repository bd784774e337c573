// SPDX-License-Identifier: Apache-2.0
// One round: a run that meets a fault, what lies in its folder then, and the same command once more.
#pragma once

#include <cstdint>
#include <fmt/core.h>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "faults/plan.hpp"
#include "faults/test_stand.hpp"

namespace tessera::faults {

/// How a round ended.
struct Outcome {
  Round round;
  std::string what;      ///< of the fault, in words
  std::string means;     ///< where there are several ways to make it: "mount", "quota"
  bool hit = true;       ///< the fault really happened
  bool lost = false;     ///< a checkpoint that had been published is not there, or not sound
  bool corrupt = false;  ///< something else than the run's bits was taken for them
  bool hung = false;
  bool launcher_stuck = false;        ///< mpirun stayed though all ranks were dead; no fault of theirs
  std::vector<std::string> problems;  ///< all that was not as documented, those three included
  double seconds = 0;
  bool good() const { return problems.empty(); }
};

class Trial {
 public:
  Trial(TestStand& stand, const Round& round);

  const Round& round() const { return outcome_.round; }
  const std::string& run() const { return run_; }
  const Reference& reference() const { return reference_; }
  const SharedPage& page() const { return stand_.page(); }
  Random& random() { return random_; }
  Outcome& outcome() { return outcome_; }

  /// The run becomes a copy of the reference that was stopped at stopped_step.
  void begin_stopped();
  /// Starts the command with a fault, and more options, and looks whether it hangs.
  CommandResult start(
      const ShimSettings& fault, const std::string& options = "", const std::function<void()>& meanwhile = [] {});
  /// A checkpoint of `published_step` or a newer one is sound, and every file with a checkpoint's name is, but for
  /// `num_damaged`. Returns the newest sound step, 0 if there is none.
  std::int64_t look(std::int64_t published_step, std::size_t num_damaged = 0);
  /// Starts the command again, without a fault: it goes on from step `from` (0: from nothing), as an undisturbed run
  /// would, and ends with its bits. `metrics_kept`: metrics.jsonl still holds the steps before. Returns what it
  /// printed.
  CommandResult resume(std::int64_t from, bool metrics_kept = true);

  /// Notes a problem unless `holds`.
  template <class... Args>
  bool expect(bool holds, fmt::format_string<Args...> problem, Args&&... args) {
    if (!holds) outcome_.problems.push_back(fmt::format(problem, std::forward<Args>(args)...));
    return holds;
  }
  /// The command ended with one of these codes, and its errors hold `text`.
  void expect_failure(const CommandResult& result, const std::vector<int>& exit_codes, const std::string& text);
  /// A process that was cut off before it wrote its name into the lock holds the folder for a minute: lets it pass.
  void age_empty_lock();
  /// Temporary files of checkpoints.
  std::vector<std::string> half_files() const;

 private:
  void expect_tidy();
  void expect_resumed(const CommandResult& result, std::int64_t from);
  void expect_metrics(std::int64_t from, const std::vector<std::string>& before);
  void expect_same_result();

  TestStand& stand_;
  const Reference& reference_;
  std::string run_;
  Random random_;
  Outcome outcome_;
};

}  // namespace tessera::faults
