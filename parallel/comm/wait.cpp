// SPDX-License-Identifier: Apache-2.0
// The one place where a rank waits for others.
#include <algorithm>
#include <array>
#include <chrono>
#include <sched.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/trace.hpp"
#include "comm/heartbeat.hpp"
#include "comm/mpi_check.hpp"

namespace tessera::comm {
namespace {

using base::Clock;

constexpr int kSpins = 2000;  // polls before the core is offered to others: short waits stay short
// A wait that took kPatience is no short one: cores may be fewer than ranks, so the rank sleeps between polls. Not
// while a long message moves, which some transports move only a few pieces a poll.
constexpr auto kPatience = std::chrono::milliseconds(5);
constexpr auto kNap = std::chrono::microseconds(100);
constexpr std::size_t kMostParts = 16;  // looked at in one poll
constexpr auto kHookInterval = std::chrono::milliseconds(1);
// Between two polls this process stood still itself, as in a job that Slurm suspends: time that no other rank used up.
constexpr auto kSuspended = std::chrono::seconds(2);

}  // namespace

bool Communicator::test(Request& request) const {
  if (!request.pending()) return true;
  std::vector<MPI_Request>& parts = request.state_->parts;
  int done = 0;
  std::array<int, kMostParts> which{};
  check(MPI_Testsome(static_cast<int>(std::min(parts.size(), kMostParts)), parts.data(), &done, which.data(),
                     MPI_STATUSES_IGNORE),
        "MPI_Testsome");
  if (done == 0) return false;
  std::erase(parts, MPI_REQUEST_NULL);
  request.state_->moves = true;
  return parts.empty();
}

void Communicator::wait(Request& request, const char* what, const char* category) const {
  const Clock::time_point begin = Clock::now();
  Clock::time_point start = begin, looked = begin;
  Heartbeat* const heartbeat = watchers_->heartbeat;
  if (heartbeat) heartbeat->wait_begins(what, name_);
  for (int spins = 0; !test(request); ++spins) {
    if (spins < kSpins && node_size_ == 1) continue;
    sched_yield();
    Clock::time_point now = Clock::now();
    if (now - start > kPatience && !request.state_->moves) {
      std::this_thread::sleep_for(kNap);
      now = Clock::now();
    }
    if (now - looked < kHookInterval) continue;
    if (now - looked > kSuspended) start += now - looked;
    looked = now;
    if (poll_hook_) poll_hook_();
    if (heartbeat) heartbeat->wait_goes_on(now);
    const double waited = std::chrono::duration<double>(now - start).count();
    if (waited <= timeout_seconds_) continue;
    if (heartbeat) throw base::Error(heartbeat->give_up(waited, timeout_seconds_));
    base::fail("rank {} on {} waited {:.0f} s for {}: another rank does not answer (parallel.timeout = {:.0f})", rank_,
               host_, waited, what, timeout_seconds_);
  }
  if (heartbeat) heartbeat->wait_ends();
  if (watchers_->trace) watchers_->trace->add(what, category, begin, Clock::now(), name_);
}

}  // namespace tessera::comm
