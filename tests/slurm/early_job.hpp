// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "slurm/job.hpp"

namespace tessera::testing {

/// A job that waits for clocks more than it computes. It is submitted before the first test case, if its own is to run,
/// and its case looks at it when its turn comes: such jobs wait all at once, while other cases run. Give it steps that
/// take time but no core (JobFixture::pace).
class EarlyJob {
 public:
  /// One for each such case, at namespace scope. `submit` prepares and submits the job when there is a cluster.
  EarlyJob(std::string test_case, std::function<void(JobFixture&)> submit);
  EarlyJob(const EarlyJob&) = delete;
  EarlyJob& operator=(const EarlyJob&) = delete;

  /// The job for its case, once; nullptr if the case is to be skipped as there is no Slurm. Rethrows what went wrong
  /// when it was submitted.
  std::unique_ptr<JobFixture> take();

  static void submit_all();
  /// Ends those whose case did not come.
  static void end_all();

 private:
  std::string test_case_;
  std::function<void(JobFixture&)> submit_;
  std::unique_ptr<JobFixture> job_;
  std::exception_ptr error_;
};

}  // namespace tessera::testing
