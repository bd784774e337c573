// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "config/config.hpp"

namespace tessera::tools {

/// Where the time of a step goes. Communication is what was not hidden behind work; other is what no part names.
inline constexpr const char* kStepParts[] = {"matrix", "attention",     "elementwise", "optimizer",
                                             "data",   "communication", "other"};
inline constexpr std::size_t kNumStepParts = std::size(kStepParts);
inline constexpr std::size_t kCommunicationPart = 5;  ///< its place among them

/// What `tessera bench` measured: seconds of one step (medians over steps, the slowest rank), this machine's own rates
/// in the same run over all ranks, memory of the largest rank.
struct BenchFigures {
  std::int64_t ranks = 1, threads = 1, num_measured = 0, tokens_per_step = 0;
  double seconds_per_step = 0;
  std::array<double, kNumStepParts> part_seconds{};  ///< means over the measured steps, of the first rank
  double communication_seconds = 0, communication_hidden_seconds = 0;
  double matrix_gflops = 0;            ///< oneDNN's own products, same precision and threads
  double memory_bytes_per_second = 0;  ///< y += x over memory, same threads
  std::int64_t peak_memory_bytes = 0;  ///< of training alone
  std::uint64_t predicted_memory_bytes = 0;
};

std::string bench_json(const config::Config& config, const BenchFigures& figures);
/// Lines for people.
std::string bench_text(const config::Config& config, const BenchFigures& figures);

}  // namespace tessera::tools
