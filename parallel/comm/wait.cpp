// SPDX-License-Identifier: Apache-2.0
// The one place where a rank waits for others.
#include <chrono>
#include <sched.h>
#include <unistd.h>

#include "base/error.hpp"
#include "comm/mpi_check.hpp"

namespace tessera::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSpins = 2000;  // polls before the core is offered to others: short waits stay short
constexpr auto kHookInterval = std::chrono::milliseconds(1);

}  // namespace

bool Communicator::test(Request& request) const {
  if (!request.pending()) return true;
  int done = 0;
  auto& parts = request.state_->parts;
  check(MPI_Testall(static_cast<int>(parts.size()), parts.data(), &done, MPI_STATUSES_IGNORE), "MPI_Testall");
  if (done) parts.clear();
  return done != 0;
}

void Communicator::wait(Request& request, const char* what) const {
  const Clock::time_point start = Clock::now();
  Clock::time_point next_hook = start + kHookInterval;
  for (int spins = 0; !test(request); ++spins) {
    if (spins < kSpins && node_size_ == 1) continue;
    sched_yield();
    const Clock::time_point now = Clock::now();
    if (now < next_hook) continue;
    next_hook = now + kHookInterval;
    if (poll_hook_) poll_hook_();
    const double waited = std::chrono::duration<double>(now - start).count();
    if (waited > timeout_seconds_)
      base::fail("rank {} on {} waited {:.0f} s for {}: another rank does not answer (parallel.timeout = {:.0f})",
                 rank_, host_, waited, what, timeout_seconds_);
  }
}

}  // namespace tessera::comm
