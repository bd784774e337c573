// SPDX-License-Identifier: Apache-2.0
#include "pipeline/bubble.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "comm/trace_gather.hpp"

namespace tessera::pipeline {

std::vector<double> idle_shares(const comm::Communicator& axis, const std::vector<RunTimes>& runs) {
  const auto ranks = static_cast<std::size_t>(axis.size());
  const double ahead = comm::clock_offsets(axis)[static_cast<std::size_t>(axis.rank())];
  const auto seconds = [&](base::Clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count() - ahead;
  };
  std::vector<double> mine;  // [runs, 3] first, last, busy
  for (const RunTimes& run : runs)
    mine.insert(mine.end(), {seconds(run.first_begin), seconds(run.last_end), run.busy_seconds});
  std::vector<double> all(ranks * mine.size());
  axis.all_gather<double>(mine, all, "times of the pipeline");

  std::vector<double> shares;
  for (std::size_t run = 0; run < runs.size(); ++run) {
    double first = std::numeric_limits<double>::infinity(), last = -first, busy = 0;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const double* times = &all[rank * mine.size() + 3 * run];
      first = std::min(first, times[0]);
      last = std::max(last, times[1]);
      busy += times[2];
    }
    shares.push_back(1 - busy / (static_cast<double>(ranks) * (last - first)));
  }
  return shares;
}

}  // namespace tessera::pipeline
