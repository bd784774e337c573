// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "jobs/executor.hpp"
#include "scaling/results.hpp"
#include "scaling/study.hpp"

namespace tessera::scaling {

/// How a study is run.
struct RunSettings {
  std::string program;           ///< full path of tessera
  double timeout_seconds = 600;  ///< of one run
  std::string only;              ///< the point to run; "": all
  std::function<bool()> stop_requested = [] { return false; };
  /// Called with a line for people before and after each run.
  std::function<void(const std::string& line)> tell = [](const std::string&) {};
};

/// How it went.
struct RunTotals {
  std::int64_t measured = 0, failed = 0;  ///< runs, of this call
  bool stopped = false;                   ///< on request, with runs left to do
};

/// Runs what `folder` has no result of: first every point once, then every point a second time, and so on, so that a
/// machine that slows down or is disturbed hits all points alike. A point that failed once is not run again. Results
/// are kept one by one. Before MPI starts.
RunTotals run_study(const Study& study, const Folder& folder, const jobs::Executor& executor,
                    const RunSettings& settings);

/// What a program that ended without success died of, in a line: the last error it told of.
std::string cause_of(const jobs::ProgramEnd& end, double timeout_seconds);

}  // namespace tessera::scaling
