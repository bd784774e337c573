// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tessera::train {

/// How long a stop takes: from a signal at the worst instant to a checkpoint that has its name. All in seconds, 0 if
/// not measured yet.
struct LeadTime {
  double step_seconds = 0;        ///< slowest step, which is finished first
  double evaluation_seconds = 0;  ///< slowest stretch of an evaluation between two polls
  double in_flight_seconds = 0;   ///< what may be left, behind that step, of a save that goes on beside training
  double save_seconds = 0;        ///< slowest save

  /// False before a step and a save were measured.
  bool is_known() const { return step_seconds > 0 && save_seconds > 0; }
  double total_seconds() const;
  /// What a signal should be ahead of the end, in whole seconds: half as much again. A signal may come just behind the
  /// point of a step at which ranks ask each other, so that the rest of that step, its update, comes on top; and steps
  /// and disks of a shared machine are never the same: a checkpoint lost costs far more than seconds of the wall time.
  int needed_seconds() const;
  /// "a stop takes up to 3.2 s: step 1.1, save 2.1"
  std::string describe() const;
  bool operator==(const LeadTime&) const = default;
};

/// Time that is left between a signal and the end, as the job's environment tells; nothing: not told.
struct StopLimits {
  std::optional<double> signal_lead_seconds;  ///< between Slurm's warning and the end of the wall time
  std::optional<double> kill_wait_seconds;    ///< between SIGTERM and SIGKILL
};

/// One warning, with the number to use, for each limit that is shorter than what a stop needs; none if nothing is known
/// yet. Pure.
std::vector<std::string> warnings(const LeadTime& lead, const StopLimits& limits);

/// That of the last start of the run, from RUN/log/lead.json; nothing if there is none, or none that can be read: it
/// is only advice.
std::optional<LeadTime> read_lead_time(const std::string& run_dir);

/// Writes that file; false if it cannot.
bool write_lead_time(const std::string& run_dir, const LeadTime& lead);

}  // namespace tessera::train
