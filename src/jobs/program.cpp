// SPDX-License-Identifier: Apache-2.0
#include "jobs/program.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/stopwatch.hpp"

namespace tessera::jobs {
namespace {

using base::Clock;

constexpr int kNotFound = 127;
constexpr double kGraceSeconds = 10;  // between SIGTERM and SIGKILL
constexpr auto kReapInterval = std::chrono::milliseconds(5);

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using TemporaryFile = std::unique_ptr<std::FILE, CloseFile>;

/// Without a name, so that nothing is left of it. A file never makes the program wait for its reader, as a pipe does.
TemporaryFile temporary_file() {
  TemporaryFile file(std::tmpfile());
  if (!file) base::fail_system("no temporary file can be made: {}", std::strerror(errno));
  return file;
}

std::string content(std::FILE* file) {
  std::string text;
  char piece[4096];
  std::rewind(file);
  while (const std::size_t n = std::fread(piece, 1, sizeof piece, file)) text.append(piece, n);
  return text;
}

[[noreturn]] void become(std::vector<char*>& words, const ProgramSettings& settings, std::FILE* output,
                         std::FILE* errors, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kNotFound);  // it died before it could be told of
  // Ctrl-C goes to the group of the terminal: who ends the program in order must be the only one that gets it, as
  // launchers take a second signal for a reason not to wait for their ranks.
  if (settings.stop_requested) ::setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(::fileno(output), STDOUT_FILENO);
  ::dup2(::fileno(errors), STDERR_FILENO);
  for (const std::string& variable : settings.environment) ::putenv(const_cast<char*>(variable.c_str()));
  ::execvp(words.front(), words.data());
  std::fprintf(stderr, "%s: %s\n", words.front(), std::strerror(errno));
  std::fflush(stderr);
  ::_exit(kNotFound);
}

void wait_for(pid_t child, const ProgramSettings& settings, ProgramEnd& end) {
  const Clock::time_point start = Clock::now();
  int status = 0, signal = SIGTERM;
  double limit = settings.timeout_seconds;
  for (;;) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (!end.stopped && settings.stop_requested && settings.stop_requested()) {
      end.stopped = true;
      limit = 0;
    }
    if (ended == child) break;
    if (ended < 0 && errno != EINTR) base::fail_system("waiting for a program: {}", std::strerror(errno));
    if (base::seconds_since(start) > limit) {
      end.timed_out = !end.stopped;
      ::kill(child, signal);
      signal = SIGKILL;
      limit = base::seconds_since(start) + kGraceSeconds;
    }
    std::this_thread::sleep_for(kReapInterval);
  }
  end.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

ProgramEnd run_program(const std::vector<std::string>& words, const ProgramSettings& settings) {
  const TemporaryFile output = temporary_file(), errors = temporary_file();
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::fflush(nullptr);  // what is buffered here is not the child's to write
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) base::fail_system("'{}' cannot be started: {}", words.front(), std::strerror(errno));
  if (child == 0) become(arguments, settings, output.get(), errors.get(), parent);
  ProgramEnd end;
  wait_for(child, settings, end);
  end.output = content(output.get());
  end.errors = content(errors.get());
  return end;
}

bool is_installed(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  return false;
}

std::string path_of_this_program() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) base::fail_system("/proc/self/exe cannot be read: {}", error.message());
  return path.string();
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string shell_quoted(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace tessera::jobs
