// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "slurm/job.hpp"

namespace tessera::testing {

using Jobs = std::vector<std::unique_ptr<JobFixture>>;

/// Jobs that wait for clocks more than they compute. They are submitted before the first test case, if their own is to
/// run, and their case looks at them when its turn comes: such jobs wait all at once, while other cases run. Give them
/// steps that take time but no core (JobFixture::pace).
class EarlyJobs {
 public:
  /// One for each such case, at namespace scope. `submit` gets `num_jobs` runs to submit when there is a cluster.
  EarlyJobs(std::string test_case, std::size_t num_jobs, std::function<void(Jobs&)> submit);
  EarlyJobs(const EarlyJobs&) = delete;
  EarlyJobs& operator=(const EarlyJobs&) = delete;

  /// The jobs for their case, once; none if the case is to be skipped as there is no Slurm. Rethrows what went wrong
  /// when they were submitted.
  Jobs take();

  static void submit_all();
  /// Ends those whose case did not come.
  static void end_all();

 private:
  std::string test_case_;
  std::size_t num_jobs_;
  std::function<void(Jobs&)> submit_;
  Jobs jobs_;
  std::exception_ptr error_;
};

}  // namespace tessera::testing
