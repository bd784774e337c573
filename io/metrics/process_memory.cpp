// SPDX-License-Identifier: Apache-2.0
#include "metrics/process_memory.hpp"

#include <cstdlib>
#include <fstream>
#include <string>

namespace tessera::metrics {

namespace {

/// A line of /proc/self/status that is in kB, as bytes.
std::int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::strtoll(line.c_str() + key.size(), nullptr, 10) * 1024;
  return 0;
}

}  // namespace

std::int64_t peak_memory_bytes() {
  return status_bytes("VmHWM:");
}

std::int64_t resident_memory_bytes() {
  return status_bytes("VmRSS:");
}

void reset_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets VmHWM
}

}  // namespace tessera::metrics
