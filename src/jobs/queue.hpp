// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tessera::jobs {

/// A job as squeue tells it. Times are seconds since 1970.
struct QueuedJob {
  std::string id;                       ///< "12", of a member of an array "12_3"
  std::string state;                    ///< PENDING, RUNNING, COMPLETED, ...
  std::string reason;                   ///< why it waits, as Slurm writes it; "None"
  std::string nodes;                    ///< that it has, "n[1-4]"
  std::optional<double> start_time;     ///< real or expected
  std::optional<double> seconds_left;   ///< until its time is up
  std::optional<double> limit_seconds;  ///< of its wall time

  bool is_waiting() const;  ///< in the queue, or held out of it
  /// Whether Slurm stopped its processes, which keep their places.
  bool is_suspended() const { return state == "SUSPENDED" || state == "STOPPED"; }
  /// Whether it waits, runs, or is about to begin or end, as a job in a state that is not known here does.
  bool is_active() const;
};

/// Lines of squeue in the format below; others are left out.
extern const char* const kSqueueFormat;
std::vector<QueuedJob> parse_squeue(const std::string& output);

/// "4-02:30:00", "1:00:00", "45:00", "12": seconds; nothing for UNLIMITED, INVALID, NOT_SET.
std::optional<double> parse_slurm_duration(const std::string& text);
/// "2026-11-26T04:30:00", local time; nothing for N/A.
std::optional<double> parse_slurm_time(const std::string& text);

struct Queue {
  std::vector<QueuedJob> jobs;  ///< those that Slurm still knows
  std::string problem;          ///< why Slurm could not be asked; "" if it was, or nothing was asked
};

/// Asks squeue for jobs. Before MPI starts only, as it runs a program.
Queue look_into_queue(const std::vector<std::string>& ids);

/// How a job ended by Slurm's accounting, "OUT_OF_MEMORY"; "" where it is not kept. Before MPI starts only.
std::string accounted_end(const std::string& id);

/// Why a job waits, in words: of the reasons that are met most, Slurm's own name of others.
std::string describe_reason(const std::string& reason);

}  // namespace tessera::jobs
