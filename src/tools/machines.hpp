// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace tessera::tools {

/// A machine with ranks of a job: one running kernel, however many nodes a scheduler or containers make of it.
struct Machine {
  std::string host;          ///< name of its first rank's host
  std::int64_t ranks = 0;    ///< on it
  std::int64_t cores = 0;    ///< that they may run on, all together
  std::int64_t threads = 0;  ///< that they compute with
};

/// The machines of a job in the order of their first ranks; `threads` is this rank's number. Collective.
std::vector<Machine> find_machines(const comm::Communicator& world, int threads);

/// The one with most threads for its cores, of at least one. Pure.
const Machine& most_crowded(const std::vector<Machine>& machines);

/// What one rank tells of itself: "BOOT_ID CORES THREADS HOST", cores as numbers with commas.
std::string describe_rank(const std::string& boot_id, const std::vector<int>& cores, int threads,
                          const std::string& host);
/// The machines of ranks that told so, in rank order. Pure.
std::vector<Machine> count_machines(const std::vector<std::string>& ranks);

}  // namespace tessera::tools
