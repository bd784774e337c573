// SPDX-License-Identifier: Apache-2.0
#include "tools/stop_request.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fmt/core.h>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "metrics/progress.hpp"

namespace tessera::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kStopSignals = {SIGUSR1, SIGTERM, SIGINT};
/// Launchers signal the process and then its group, and Slurm's daemons the step and then the batch shell, which hands
/// it on: the same request twice.
constexpr auto kSameRequest = std::chrono::seconds(10);

std::atomic<bool> requested = false;  // signals belong to the process, and so does this

/// By the thread that takes signals, not by a handler of one: it may print.
void tell(int signal) {
  const char* const name = signal == SIGUSR1 ? "SIGUSR1" : signal == SIGTERM ? "SIGTERM" : "SIGINT";
  const std::string text = fmt::format("stop requested ({}): saving after this step; again after {} s ends at once\n",
                                       name, kSameRequest.count());
  std::fputs(((metrics::writes_to_terminal() ? "\n" : "") + text).c_str(), stdout);
  std::fflush(stdout);
}

[[noreturn]] void take_signals(sigset_t signals, bool tells) {
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
    const bool is_first = !requested.exchange(true);  // before it is told, as nobody may read what it tells
    if (is_first && tells) tell(signal);
  }
}

}  // namespace

void listen_for_stop_signals(bool tells) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kStopSignals) sigaddset(&signals, signal);
  // Threads inherit the mask of the one that makes them: all that follow, those of MPI and OpenMP among them.
  if (pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) base::fail("cannot block the signals that ask to stop");
  // A reader of our output that went away costs lines, as a full disk does; it must not cost the run.
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) base::fail("cannot ignore SIGPIPE");
  std::thread(take_signals, signals, tells).detach();  // it lives as long as the process
}

bool stop_requested() {
  return requested;
}

}  // namespace tessera::tools
