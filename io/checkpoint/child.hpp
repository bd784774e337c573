// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tessera::checkpoint {

/// False in builds with AddressSanitizer, which maps terabytes of address space that it never touches.
bool limits_memory();

/// What a child process may take.
struct Limits {
  std::uint64_t memory_bytes = 0;  ///< of address space, beyond what is mapped now, if limits_memory()
  std::int64_t cpu_seconds = 0;
  double wall_seconds = 0;
};

/// How a child process ended.
struct ChildEnd {
  bool returned = false;   ///< the action returned; else it threw, died or met a limit
  std::string text;        ///< what it returned, or in a few words why it did not: "signal 11, Segmentation fault"
  bool timed_out = false;  ///< `text` is about the wall clock: it may have waited for a slow disk
};

/// Runs `action` in a child process, which dumps no core and ends with the caller. The caller may have no other threads
/// and must not have started MPI, as neither survives a fork. Throws base::SystemError if no child can be started.
ChildEnd run_in_child(const std::function<std::string()>& action, const Limits& limits);

}  // namespace tessera::checkpoint
