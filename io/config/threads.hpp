// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace tessera::config {

/// Numbers of the cores this process may run on (its affinity mask).
std::vector<int> affinity();
/// How many they are.
int affinity_cores();

/// Cores that the ranks on this node share, as many as MPI counts there: those of the node, or of the Slurm allocation,
/// if they are several or under mpirun, else those of this process.
int cores_for_ranks(int ranks_on_node);

/// More threads a rank than any machine has cores are a slip of the pen.
inline constexpr int most_threads = 4096;

/// Threads of a rank: the number itself, or for "auto" OMP_NUM_THREADS if set, else cores_for_ranks() / ranks on the
/// node, at least 1; under srun no more than this process may use. (mpirun binds ranks to fewer cores than they share.)
/// Throws base::UsageError, naming `key`, for a value that is neither, and for an OMP_NUM_THREADS that is no number.
int resolve_threads(const std::string& value, int ranks_on_node, const std::string& key = "run.threads");

}  // namespace tessera::config
