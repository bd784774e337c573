// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "support/process.hpp"

namespace tessera::testing {

/// A Slurm cluster of five nodes on this machine (scripts/local_cluster.sh), stopped by the destructor, and by a
/// watcher should this process be killed. Many jobs of one rank a node fit at once.
class Cluster {
 public:
  static constexpr int num_nodes = 5;
  /// No job of a test may use this one but those that lose it. Nodes of such a job take none for half a minute: it
  /// takes n3, n4 and n5, and leaves n1 and n2 to the others.
  static constexpr const char* lost_node = "n5";

  /// Fails if the cluster does not come up.
  Cluster();
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// A shell command with this cluster as the one that sbatch, scontrol and the like speak to, in a folder of its own.
  ProcessResult run(const std::string& command) const;

 private:
  TestFolder folder_;
  std::string environment_;
};

/// The cluster of this program, which main.cpp starts before the first test case and stops behind the last; nullptr
/// where Slurm is not installed.
const Cluster* shared_cluster();

/// shared_cluster(); where there is none, says so in the way that counts the test case as skipped.
const Cluster* cluster_or_skip();

/// Waits until `condition` holds; fails the test case with `what` and the text of `details` if that takes `seconds`.
void wait_for(const std::string& what, double seconds, const std::function<bool()>& condition,
              const std::function<std::string()>& details);

}  // namespace tessera::testing
