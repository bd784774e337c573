// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tessera::tensor {

/// Kinds of work that operations are timed as.
enum class Work : std::uint8_t { matrix, attention, elementwise, optimizer };
inline constexpr std::size_t num_works = 4;

/// Wall-clock seconds of a Device's operations since its construction, by kind. Costs two clock reads an operation
/// (about 50 ns), so it is always on.
class WorkTimes {
 public:
  double seconds(Work work) const { return seconds_[static_cast<std::size_t>(work)]; }
  void add(Work work, double seconds) { seconds_[static_cast<std::size_t>(work)] += seconds; }

 private:
  std::array<double, num_works> seconds_{};
};

/// Adds its own life time to one kind of work.
class Timed {
 public:
  Timed(WorkTimes& times, Work work) : times_(times), work_(work) {}
  ~Timed() { times_.add(work_, std::chrono::duration<double>(Clock::now() - start_).count()); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  WorkTimes& times_;
  Work work_;
  Clock::time_point start_ = Clock::now();
};

}  // namespace tessera::tensor
