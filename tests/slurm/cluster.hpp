// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "support/process.hpp"

namespace tessera::testing {

/// A Slurm cluster of two nodes on this machine (scripts/local_cluster.sh), stopped by the destructor, and by a watcher
/// should this process be killed.
class Cluster {
 public:
  /// Fails the test case if the cluster does not come up.
  Cluster();
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// A shell command with this cluster as the one that sbatch, scontrol and the like speak to.
  ProcessResult run(const std::string& command) const;

 private:
  TestFolder folder_;
  std::string environment_;
};

/// Whether clusters can be started here; if not, says so in the way that counts the test case as skipped.
bool slurm_is_installed();

/// Waits until `condition` holds; fails the test case with `what` and the text of `details` if that takes `seconds`.
void wait_for(const std::string& what, double seconds, const std::function<bool()>& condition,
              const std::function<std::string()>& details);

}  // namespace tessera::testing
