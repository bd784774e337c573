// SPDX-License-Identifier: Apache-2.0
#include "support/signal_gate.hpp"

#include <filesystem>

#include "support/process.hpp"

namespace tessera::testing {

SignalGate::SignalGate(const std::string& folder, const GateInstant& instant)
    : program_(folder + "/gated_tessera"), reached_(folder + "/reached") {
  // The list in LD_PRELOAD has blanks between, and there may be one in the path of the library.
  const std::string library = folder + "/signal_gate.so";
  if (!std::filesystem::exists(library)) std::filesystem::create_symlink(TESSERA_SIGNAL_GATE, library);
  const std::string rank = instant.rank < 0 ? "" : std::to_string(instant.rank);
  // The library goes into tessera alone, not into what starts it.
  write_file(program_,
             "#!/bin/sh\nexport TESSERA_GATE_CALL=" + instant.call +
                 " TESSERA_GATE_FILE=" + shell_quoted(instant.file) +
                 " TESSERA_GATE_REACHED=" + shell_quoted(reached_) + " TESSERA_GATE_LOG=" + shell_quoted(instant.log) +
                 " TESSERA_GATE_LINES=" + std::to_string(instant.lines) +
                 " TESSERA_GATE_COUNT=" + std::to_string(instant.count) +
                 " TESSERA_GATE_SIGNALS=" + std::to_string(instant.signals) + " TESSERA_GATE_RANK=" + rank +
                 "\nLD_PRELOAD=" + shell_quoted(library) + " exec " + shell_quoted(TESSERA_BINARY) + " \"$@\"\n");
  std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
}

std::string SignalGate::wait(const std::string& or_until) const {
  return "for i in $(seq 1200); do test -e " + shell_quoted(reached_) + " && break; " + or_until +
         " && break; sleep 0.05; done; ";
}

}  // namespace tessera::testing
