// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.hpp"
#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "metrics/start_log.hpp"
#include "train/replica.hpp"

namespace tessera::train {

/// What one start of a training leaves for `tessera status`, in RUN/log (metrics/start_log.hpp): that it began, from
/// where it trains, how it ended. Rank 0 writes, and any rank that meets an error alone. What cannot be written costs a
/// warning, not the run.
class StartRecord {
 public:
  /// `ranks` and `resolved` must outlive it.
  StartRecord(const comm::Communicator& ranks, const config::Config& resolved, std::string version);

  /// To be called once the run folder is locked. Collective. Returns *this.
  StartRecord& begin();
  /// To be called when the model is loaded and `step` steps are done. Where the work that is left makes it worth a
  /// fraction of a second, measures the matrix rate of all ranks. Collective.
  void trains(std::int64_t step, Replica& replica);
  void step_done(std::int64_t step) { step_ = step; }

  /// Runs the start and records how it ended, an exception too, which goes on to the caller.
  base::ExitCode tell_end(const std::function<base::ExitCode()>& start);

 private:
  void ended(base::ExitCode code, const std::string& error);
  void ended_alone(base::ExitCode code, const std::string& error);
  void warn(const std::string& problem);

  const comm::Communicator& ranks_;
  const config::Config& config_;
  std::string version_;
  metrics::StartLog log_;
  std::int64_t number_ = 0;  // of this start; 0: not begun
  std::int64_t step_ = 0;
  bool warned_ = false;
};

}  // namespace tessera::train
