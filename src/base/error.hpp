// SPDX-License-Identifier: Apache-2.0
// Errors that a person reads. A user error is an exception with a message that names the key, the value, the rule and
// the remedy; an error of the programmer is an assert. Input is never validated with assert.
#pragma once

#include <fmt/core.h>
#include <stdexcept>
#include <string>
#include <utility>

namespace tessera::base {

/// Process exit codes, the same for every subcommand.
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,     ///< bad command line, configuration or input data
  diverged = 3,  ///< non-finite loss or gradient
  stopped = 85,  ///< stopped on request with a checkpoint saved: run me again
};

/// Base of every error Tessera throws; carries the exit code the process should end with.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::failed)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// An error that every rank throws alike at the same point of the program: rank 0 prints it and all end in order. Any
/// other error leaves the other ranks waiting for a message, so the rank that meets it aborts the job.
class SharedError : public Error {
 public:
  using Error::Error;
};

/// Bad usage, configuration or input data: exit code 2.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ExitCode::usage) {}
};

/// The system refused an operation on a file that may be sound: no permission, too many open files, a failing disk.
class SystemError : public Error {
 public:
  using Error::Error;
};

/// Throws Error with a fmt-formatted message.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws UsageError with a fmt-formatted message.
template <class... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws SystemError with a fmt-formatted message.
template <class... Args>
[[noreturn]] void fail_system(fmt::format_string<Args...> format, Args&&... args) {
  throw SystemError(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tessera::base
