// SPDX-License-Identifier: Apache-2.0
// What a study shows: of each point the median of its runs, of each number of ranks the fastest layout, and how that
// compares with one rank.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scaling/results.hpp"
#include "scaling/study.hpp"

namespace tessera::scaling {

enum class State { measured, failed, missing };
const char* name(State state);

/// Of the runs of a point.
struct PointSummary {
  Point point;
  State state = State::missing;
  std::string cause;  ///< of a failure
  std::string job;    ///< Slurm's number, if it was queued alone
  std::int64_t runs = 0;
  double tokens_per_second = 0, least = 0, greatest = 0;  ///< median and range over runs
  double communication_share = 0, bubble = 0;             ///< medians
  std::int64_t memory_bytes = 0;                          ///< most
  std::int64_t cores = 0, busy_cores = 0;  ///< of the machine with most threads for them, and those threads
  std::int64_t micro_batch = 0;
  std::vector<std::string> hosts, cpus;  ///< of all runs, each once
  /// More threads than cores: such a point shows how cores are shared, not how work scales.
  bool shares_cores() const { return busy_cores > cores; }
};

/// A number of ranks.
struct Row {
  int ranks = 1;
  std::vector<PointSummary> tried;
  std::optional<std::size_t> best;   ///< of `tried`: the highest median; none if nothing was measured
  std::optional<double> speedup;     ///< tokens/s over those of the baseline
  std::optional<double> efficiency;  ///< speedup over the ratio of ranks; 1 is ideal
  /// Tokens/s for each core that the ranks have, over those of the process that has a whole node's cores.
  std::optional<double> core_efficiency;
  const PointSummary* chosen() const { return best ? &tried[*best] : nullptr; }
};

struct SeriesSummary {
  Mode mode = Mode::strong;
  std::vector<Row> rows;  ///< rising ranks
  /// Ranks of the row that speedup and efficiency refer to: the first that has figures.
  std::optional<int> baseline_ranks;
  std::optional<Row> node;  ///< one process with the cores of a node, where the study has it
  int node_threads = 1;
};

struct Summary {
  Question question;
  std::vector<SeriesSummary> series;
  std::int64_t num_missing = 0;  ///< runs not made yet, of points that have not failed
};

/// Of one point's runs, in the order of the repeats; some may be missing. Pure.
PointSummary summarize(const Point& point, const std::vector<std::optional<Result>>& runs);
/// Fills in `best` of each row, speedups and efficiencies. Pure.
void compare(SeriesSummary& series);
/// Reads all results of a study.
Summary summarize(const Study& study, const Folder& folder);

}  // namespace tessera::scaling
