// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/layout.hpp"
#include "pipeline/schedule.hpp"
#include "tools/machines.hpp"

namespace tessera::tools {

/// Where the time of a step goes. Communication is what was not hidden behind work, but for the pipeline's messages,
/// which a bubble waits for; other is what no part names.
inline constexpr const char* kStepParts[] = {"matrix", "attention",     "elementwise", "optimizer",
                                             "data",   "communication", "bubble",      "other"};
inline constexpr std::size_t kNumStepParts = std::size(kStepParts);
inline constexpr std::size_t kBubblePart = 6;  ///< its place among them
static_assert(std::string_view(kStepParts[kBubblePart]) == "bubble");

/// Communication of an axis in seconds of a step, the slowest rank's. The pipeline's total is waiting, and work with a
/// message under way.
struct AxisTimes {
  int ranks = 1;  ///< alone: no time
  double waited = 0, total = 0;
  double hidden() const { return std::max(0.0, total - waited); }  ///< behind work
};
inline constexpr const char* kAxes[] = {"data", "tensor", "pipeline"};
inline constexpr std::size_t kNumAxes = std::size(kAxes);

/// One sum of all gradients over the data axis by each value of parallel.reduce: medians, the slowest rank; 0 where
/// data is 1.
struct GradientSumSeconds {
  double ordered = 0, mpi = 0;
};
inline constexpr std::size_t kNumGradientSums = 3;

/// Least, lower quartile, median, upper quartile and greatest.
inline constexpr std::size_t kNumQuartiles = 5;

/// What `tessera bench` measured: seconds of one step (medians over steps, the slowest rank), this machine's own rates
/// in the same run over all ranks, memory of the largest rank.
struct BenchFigures {
  std::int64_t ranks = 1, threads = 1, num_measured = 0, tokens_per_step = 0;
  double seconds_per_step = 0;
  std::array<double, kNumQuartiles> step_quartiles{};  ///< seconds of the measured steps, each the slowest rank's
  std::array<double, kNumStepParts> part_seconds{};    ///< means over the measured steps, of the first rank
  std::array<AxisTimes, kNumAxes> axes{};
  double bubble_fraction = 0;  ///< measured idle share of the pipeline, mean over ranks
  pipeline::Schedule schedule{};
  std::vector<Machine> machines;  ///< at least one
  std::string cpu;                ///< model name on the first rank's host
  config::Layout layout;
  double matrix_gflops = 0;            ///< oneDNN's own products, same precision and threads
  double memory_bytes_per_second = 0;  ///< y += x over memory, same threads
  std::int64_t peak_memory_bytes = 0;  ///< of training alone
  GradientSumSeconds gradient_sum_seconds;
  std::uint64_t predicted_memory_bytes = 0;
  bool has_machine_rates() const { return matrix_gflops > 0; }
};

std::string bench_json(const config::Config& config, const BenchFigures& figures);
/// Lines for people.
std::string bench_text(const config::Config& config, const BenchFigures& figures);

}  // namespace tessera::tools
