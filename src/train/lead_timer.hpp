// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/stopwatch.hpp"
#include "train/lead_time.hpp"

namespace tessera::train {

struct LeadTimerSettings {
  std::string run_dir;        ///< where it is kept for the next start
  bool saves_beside = false;  ///< saves go on while steps are taken,
  bool throttled = false;     ///< and more slowly than the disk would let them
  StopLimits limits;
  std::function<void(const std::string&text)> say, warn;
};

/// Measures the lead time in the course of a start, tells it, keeps it for the next start, and warns once if the limits
/// are shorter than it. On one rank; its seconds are those of the slowest rank where ranks differ.
class LeadTimer {
 public:
  /// Warns if what the last start kept is more than the limits.
  explicit LeadTimer(LeadTimerSettings settings);

  /// The first of a start counts only while it is the only one: it fills caches and allocates.
  void step(double seconds);
  /// From one poll to the next. Until the first, those of the last start count.
  void evaluation(double seconds);
  /// Of a save by itself, without what it was throttled. The first one tells the lead time.
  void save(double seconds);
  /// At the end, before and after all saves were waited for. Tells the lead time once more if it changed.
  void finish_begins();
  void finish_ended();

  LeadTime lead() const;

 private:
  void keep();
  void tell();
  void warn(const LeadTime& lead);

  LeadTimerSettings settings_;
  int num_steps_ = 0;
  double step_seconds_ = 0, evaluation_seconds_ = 0, save_seconds_ = 0;
  double last_evaluation_seconds_ = 0;  // of the start before
  std::optional<base::Clock::time_point> finish_began_;
  LeadTime kept_;
  std::string told_;
  bool warned_ = false;
};

}  // namespace tessera::train
