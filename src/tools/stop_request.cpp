// SPDX-License-Identifier: Apache-2.0
#include "tools/stop_request.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <pthread.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"

namespace tessera::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kStopSignals = {SIGUSR1, SIGTERM, SIGINT};
/// `timeout` and launchers signal the process and then its group: the same request twice within an instant.
constexpr auto kSameRequest = std::chrono::milliseconds(500);

std::atomic<bool> requested = false;  // signals belong to the process, and so does this

[[noreturn]] void take_signals(sigset_t signals) {
  std::array<Clock::time_point, kStopSignals.size()> first{};
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    const Clock::time_point now = Clock::now();
    for (std::size_t kind = 0; kind < kStopSignals.size(); ++kind) {
      if (kStopSignals[kind] != signal) continue;
      if (first[kind] == Clock::time_point{}) first[kind] = now;
      if (now - first[kind] > kSameRequest) _exit(128 + signal);
    }
    requested = true;
  }
}

}  // namespace

void listen_for_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kStopSignals) sigaddset(&signals, signal);
  // Threads inherit the mask of the one that makes them: all that follow, those of MPI and OpenMP among them.
  if (pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) base::fail("cannot block the signals that ask to stop");
  // A reader of our output that went away costs lines, as a full disk does; it must not cost the run.
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) base::fail("cannot ignore SIGPIPE");
  std::thread(take_signals, signals).detach();  // it lives as long as the process
}

bool stop_requested() {
  return requested;
}

}  // namespace tessera::tools
