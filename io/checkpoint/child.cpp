// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/child.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <fmt/core.h>
#include <fstream>
#include <new>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "base/units.hpp"

namespace tessera::checkpoint {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

constexpr std::size_t kMostResultBytes = std::size_t{16} << 20;
constexpr auto kReapInterval = std::chrono::milliseconds(1);

/// First byte of what a child sends; its text follows.
enum Kind : char { kReturned = 'r', kThrew = 't', kNoMemory = 'm' };

std::uint64_t mapped_bytes() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void set_limit(int resource, std::uint64_t soft, std::uint64_t hard) {
  const rlimit limit{soft, hard};
  if (::setrlimit(resource, &limit) != 0) base::fail_system("a limit cannot be set: {}", std::strerror(errno));
}

/// What the C library says of a broken heap is in the signal too; a sanitizer's report is not.
void silence() {
  const int nowhere = kSanitized ? -1 : ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) ::dup2(nowhere, STDERR_FILENO);
}

void confine(const Limits& limits) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);  // handlers are of the parent's world
  const auto cpu_seconds = static_cast<std::uint64_t>(limits.cpu_seconds);
  set_limit(RLIMIT_CORE, 0, 0);
  set_limit(RLIMIT_CPU, cpu_seconds, cpu_seconds + 1);  // SIGXCPU, and SIGKILL if that is ignored
  if (limits_memory()) {
    const std::uint64_t most = mapped_bytes() + limits.memory_bytes;
    set_limit(RLIMIT_AS, most, most);
  }
}

void send(int pipe, Kind kind, const std::string& text) {
  const std::string message = static_cast<char>(kind) + text;
  for (std::size_t done = 0; done < message.size();) {
    const ssize_t n = ::write(pipe, message.data() + done, message.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

/// The life of the child. It leaves without destructors and handlers of the parent's objects.
[[noreturn]] void live(int pipe, const std::function<std::string()>& action, const Limits& limits) {
  try {
    silence();
    confine(limits);
    send(pipe, kReturned, action());
  } catch (const std::bad_alloc&) {
    send(pipe, kNoMemory, "");
  } catch (const std::exception& error) {
    send(pipe, kThrew, error.what());
  }
  ::_exit(0);
}

/// All that comes out of the pipe until its end, the deadline, or more than a sound child sends.
std::string receive(int pipe, base::Clock::time_point deadline) {
  std::string message;
  char piece[4096];
  while (message.size() <= kMostResultBytes) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - base::Clock::now()).count();
    if (left <= 0) break;
    pollfd ready{pipe, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left + 1, 60'000))) <= 0) continue;
    const ssize_t n = ::read(pipe, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    message.append(piece, static_cast<std::size_t>(n));
  }
  return message;
}

/// Waits for the end of the child, which is killed at the deadline. Returns its status.
int reap(pid_t child, base::Clock::time_point deadline, bool& timed_out) {
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    timed_out = base::Clock::now() >= deadline;
    if (timed_out) ::kill(child, SIGKILL);
    std::this_thread::sleep_for(kReapInterval);
  }
  return status;
}

std::string describe(int status, const Limits& limits) {
  if (!WIFSIGNALED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  if (signal == SIGXCPU) return fmt::format("{} s of processor time", limits.cpu_seconds);
  return fmt::format("signal {}, {}", signal, ::strsignal(signal));
}

}  // namespace

bool limits_memory() {
  return !kSanitized;
}

ChildEnd run_in_child(const std::function<std::string()>& action, const Limits& limits) {
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC) != 0) base::fail_system("no pipe to a child process: {}", std::strerror(errno));
  const auto deadline = base::Clock::now() + std::chrono::duration_cast<base::Clock::duration>(
                                                 std::chrono::duration<double>(limits.wall_seconds));
  const pid_t child = ::fork();
  const int error = errno;
  if (child == 0) {
    ::close(ends[0]);
    live(ends[1], action, limits);
  }
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    base::fail_system("no child process: {}", std::strerror(error));
  }
  const std::string message = receive(ends[0], deadline);
  ::close(ends[0]);  // one that goes on sending dies of it
  ChildEnd end;
  const int status = reap(child, deadline, end.timed_out);
  if (end.timed_out) {
    end.text = fmt::format("{:.0f} s", limits.wall_seconds);
    return end;
  }
  const char kind = message.empty() ? '\0' : message.front();
  const bool sent_all = WIFEXITED(status) && WEXITSTATUS(status) == 0 && message.size() <= kMostResultBytes;
  end.returned = sent_all && kind == kReturned;
  if (sent_all && kind == kNoMemory)
    end.text = base::format_bytes(limits.memory_bytes) + " of memory";
  else if (sent_all && (kind == kReturned || kind == kThrew))
    end.text = message.substr(1);
  else
    end.text = describe(status, limits);
  return end;
}

}  // namespace tessera::checkpoint
