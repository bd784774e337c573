// SPDX-License-Identifier: Apache-2.0
#include "comm/trace_gather.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fmt/core.h>
#include <fstream>
#include <limits>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "comm/together.hpp"
#include "json/json.hpp"

namespace tessera::comm {
namespace {

using base::Clock;
using base::Trace;

constexpr int kTag = 1;
constexpr int kRoundTrips = 20;
constexpr const char* kClocks = "clocks of the trace";
constexpr const char* kEvents = "events of the trace";

std::int64_t nanoseconds(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

void send(const Communicator& all, std::int64_t value, int to) {
  Request request = all.isend<std::int64_t>({&value, 1}, to, kTag);
  all.wait(request, kClocks);
}

std::int64_t receive(const Communicator& all, int from) {
  std::int64_t value = 0;
  Request request = all.ireceive<std::int64_t>({&value, 1}, from, kTag);
  all.wait(request, kClocks);
  return value;
}

/// On rank 0: how far the clock of `rank` is ahead, if the answer was given in the middle of the quickest round trip.
std::int64_t offset_of(const Communicator& all, int rank, const ReadClock& now) {
  std::int64_t quickest = std::numeric_limits<std::int64_t>::max(), offset = 0;
  for (int trip = 0; trip < kRoundTrips; ++trip) {
    const std::int64_t begin = nanoseconds(now());
    send(all, begin, rank);
    const std::int64_t there = receive(all, rank), end = nanoseconds(now());
    if (end - begin >= quickest) continue;
    quickest = end - begin;
    offset = there - (begin + quickest / 2);
  }
  return offset;
}

/// A comma and a JSON object for each of the first `count` events. `begin` is the zero of the file by this rank's
/// clock.
std::string events_text(const Trace& trace, std::size_t count, const Communicator& all, std::int64_t begin) {
  json::Json process{json::Object{}};
  process.set("ph", "M").set("name", "process_name").set("pid", all.rank()).set("tid", 0);
  json::Json names{json::Object{}};
  names.set("name", fmt::format("rank {} ({})", all.rank(), all.host()));
  if (trace.dropped() > 0) names.set("events_left_out", trace.dropped());
  process.set("args", std::move(names));
  std::string text = ",\n" + process.dump();
  for (std::size_t i = 0; i < count; ++i) {
    const Trace::Event& event = trace.events()[i];
    json::Json line{json::Object{}};
    line.set("ph", "X").set("name", event.name).set("cat", event.category).set("pid", all.rank()).set("tid", 0);
    line.set("ts", static_cast<double>(nanoseconds(event.begin) - begin) / 1000);
    line.set("dur", static_cast<double>(nanoseconds(event.end) - nanoseconds(event.begin)) / 1000);
    if (!event.detail.empty()) {
      json::Json detail{json::Object{}};
      line.set("args", std::move(detail.set("detail", event.detail)));
    }
    text += ",\n" + line.dump();
  }
  return text;
}

/// Calls take(text) on rank 0 with the text of every rank, in rank order.
template <class Take>
void collect(const Communicator& all, std::string mine, Take take) {
  if (all.rank() != 0) {
    send(all, static_cast<std::int64_t>(mine.size()), 0);
    Request request = all.isend(std::span<const char>(mine), 0, kTag);
    all.wait(request, kEvents);
    return;
  }
  take(mine);
  for (int rank = 1; rank < all.size(); ++rank) {
    mine.resize(static_cast<std::size_t>(receive(all, rank)));
    Request request = all.ireceive(std::span<char>(mine), rank, kTag);
    all.wait(request, kEvents);
    take(mine);
  }
}

}  // namespace

std::vector<double> clock_offsets(const Communicator& all, const ReadClock& now) {
  std::vector<double> offsets(static_cast<std::size_t>(all.size()));
  if (all.rank() == 0)
    for (int rank = 1; rank < all.size(); ++rank)
      offsets[static_cast<std::size_t>(rank)] = 1e-9 * static_cast<double>(offset_of(all, rank, now));
  else
    for (int trip = 0; trip < kRoundTrips; ++trip) {
      receive(all, 0);
      send(all, nanoseconds(now()), 0);
    }
  all.broadcast<double>(offsets, 0, kClocks);
  return offsets;
}

void write_trace(const Communicator& all, const Trace& trace, const std::string& path, const ReadClock& now) {
  const std::size_t count = trace.events().size();  // the waits below may add more
  const auto ahead = static_cast<std::int64_t>(1e9 * clock_offsets(all, now)[static_cast<std::size_t>(all.rank())]);
  // Times of one clock as doubles: exact to a nanosecond for a hundred days since the host started.
  double first = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i)
    first = std::min(first, static_cast<double>(nanoseconds(trace.events()[i].begin) - ahead));
  first = -all.max(-first, kClocks);
  const std::int64_t begin =
      (first < std::numeric_limits<double>::infinity() ? static_cast<std::int64_t>(first) : 0) + ahead;

  const std::string temporary = path + ".tmp";
  std::ofstream file;
  int problem = 0;
  if (all.rank() == 0) file.open(temporary, std::ios::binary | std::ios::trunc);
  if (!file) problem = errno;
  file << R"({"displayTimeUnit":"ms","traceEvents":[)";
  bool is_first = true;
  collect(all, events_text(trace, count, all, begin),
          [&](const std::string& text) { file << (std::exchange(is_first, false) ? text.substr(1) : text); });
  together(all, "trace file", [&] {
    if (all.rank() != 0) return;
    file << "\n]}\n";
    file.close();
    if (!file) {
      if (problem == 0) problem = errno;
      std::remove(temporary.c_str());
      base::fail_system("cannot write '{}': {}", path, std::strerror(problem));
    }
    base::publish_file(temporary, path);
  });
}

}  // namespace tessera::comm
