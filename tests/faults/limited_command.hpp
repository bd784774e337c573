// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

namespace tessera::faults {

struct CommandResult {
  int exit_code = -1;  ///< 128 + signal if it was killed
  bool hung = false;   ///< it was ended here, as it ran into the limit
  bool stuck = false;  ///< or as told
  double seconds = 0;
  std::string output, errors;
};

/// Adopts processes whose parents end, so that run_limited() can end what a hanging command leaves. Call once.
void adopt_orphans();

/// Runs a shell command in a process group of its own and waits for it and for what it leaves running. One that takes
/// longer than `limit_seconds` hangs and is ended with all its processes. `meanwhile` is called about every
/// millisecond; once it returns true, the command counts as stuck and is ended, too.
CommandResult run_limited(
    const std::string& command, double limit_seconds, const std::function<bool()>& meanwhile = [] { return false; });

}  // namespace tessera::faults
