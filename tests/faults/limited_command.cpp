// SPDX-License-Identifier: Apache-2.0
#include "faults/limited_command.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/stopwatch.hpp"
#include "support/process.hpp"

namespace tessera::faults {
namespace {

constexpr auto kLook = std::chrono::milliseconds(1);
constexpr double kGraceSeconds = 5;  // between the polite and the other signal, and for what is left to end

/// Only what may be called between fork and exec.
[[noreturn]] void become(const std::string& command, const std::string& out, const std::string& err) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int input = ::open("/dev/null", O_RDONLY), output = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600),
            errors = ::open(err.c_str(), O_WRONLY | O_CREAT, 0600);
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(errors, 2);
  ::execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
  ::_exit(127);
}

/// Ends all children of this process, those that it adopted among them.
void kill_children() {
  std::ifstream list("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (pid_t child = 0; list >> child;) ::kill(child, SIGKILL);
}

/// True once no child is left.
bool reap_all() {
  pid_t ended = 0;
  while ((ended = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
  }
  return ended < 0 && errno == ECHILD;
}

}  // namespace

void adopt_orphans() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) throw std::runtime_error("this system has no PR_SET_CHILD_SUBREAPER");
}

CommandResult run_limited(const std::string& command, double limit_seconds, const std::function<bool()>& meanwhile) {
  const testing::TestFolder folder;
  const std::string out = folder / "out", err = folder / "err";
  const base::Clock::time_point begin = base::Clock::now();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process for '" + command + "'");
  if (child == 0) become(command, out, err);
  ::setpgid(child, child);  // whoever comes first

  CommandResult result;
  int status = 0;
  double deadline = limit_seconds;
  bool ending = false;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (!ending && meanwhile()) {
      result.stuck = true;
      deadline = 0;
    }
    if (base::seconds_since(begin) > deadline) {
      ::kill(-child, ending ? SIGKILL : SIGTERM);
      result.hung = !result.stuck;
      ending = true;
      deadline = base::seconds_since(begin) + kGraceSeconds;
    }
    std::this_thread::sleep_for(kLook);
  }
  result.seconds = base::seconds_since(begin);
  const base::Clock::time_point end = base::Clock::now();
  while (!reap_all()) {
    if (base::seconds_since(end) > kGraceSeconds) {
      result.hung = true;
      kill_children();
    }
    std::this_thread::sleep_for(kLook);
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.output = testing::read_file(out);
  result.errors = testing::read_file(err);
  return result;
}

}  // namespace tessera::faults
