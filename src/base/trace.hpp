// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/stopwatch.hpp"

namespace tessera::base {

/// What one thread did when, for a time line. Appending costs tens of nanoseconds; once full, further events are only
/// counted. For the one thread that owns it.
class Trace {
 public:
  struct Event {
    std::string name;
    const char* category;  ///< a literal: "step"; "phase" of a step; "compute", "communication", "bubble"
    std::string detail;    ///< may be empty: the group of a message, the number of a micro-batch
    Clock::time_point begin, end;
  };

  explicit Trace(std::size_t most_events = 200'000) : most_events_(most_events) {}

  void add(std::string name, const char* category, Clock::time_point begin, Clock::time_point end,
           std::string detail = {});
  /// In the order in which they ended.
  const std::vector<Event>& events() const { return events_; }
  std::uint64_t dropped() const { return dropped_; }
  std::size_t most_events() const { return most_events_; }
  void clear();

 private:
  std::size_t most_events_;
  std::vector<Event> events_;
  std::uint64_t dropped_ = 0;
};

/// An event as long as the life of this object; nothing if `trace` is nullptr.
class TraceScope {
 public:
  TraceScope(Trace* trace, std::string name, const char* category)
      : trace_(trace),
        name_(std::move(name)),
        category_(category),
        begin_(trace ? Clock::now() : Clock::time_point{}) {}
  ~TraceScope() {
    if (trace_) trace_->add(std::move(name_), category_, begin_, Clock::now());
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  Trace* trace_;
  std::string name_;
  const char* category_;
  Clock::time_point begin_;
};

}  // namespace tessera::base
