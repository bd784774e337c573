// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/trace.hpp"
#include "comm/communicator.hpp"

namespace tessera::comm {

using ReadClock = std::function<base::Clock::time_point()>;

/// Seconds that the clock of each rank is ahead of rank 0's, right within half a round trip of an empty message: the
/// quickest of 20 counts. Collective; the same on every rank. `now` is this rank's clock (tests give others).
std::vector<double> clock_offsets(const Communicator& all, const ReadClock& now = base::Clock::now);

/// Writes the events of all ranks to `path`, a time line for Perfetto or chrome://tracing: a process for each rank,
/// times by rank 0's clock from the first event on. Collective; rank 0 holds the events of one other rank at a time.
/// The file is there whole or not at all. Throws base::SharedError on every rank if it cannot be written.
void write_trace(const Communicator& all, const base::Trace& trace, const std::string& path,
                 const ReadClock& now = base::Clock::now);

}  // namespace tessera::comm
