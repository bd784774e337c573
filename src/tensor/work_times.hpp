// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/stopwatch.hpp"

namespace tessera::tensor {

/// Kinds of work that operations are timed as.
enum class Work : std::uint8_t { matrix, attention, elementwise, optimizer };
inline constexpr std::size_t num_works = 4;

/// Wall-clock seconds of a Device's operations since its construction, by kind. Costs two clock reads an operation
/// (about 50 ns), so it is always on.
class WorkTimes {
 public:
  double seconds(Work work) const { return seconds_[static_cast<std::size_t>(work)]; }

 private:
  friend class Timed;
  std::array<double, num_works> seconds_{};
};

/// Adds its own life time to one kind of work.
class Timed {
 public:
  Timed(WorkTimes& times, Work work) : stopwatch_(times.seconds_[static_cast<std::size_t>(work)]) {}

 private:
  base::Stopwatch stopwatch_;
};

}  // namespace tessera::tensor
