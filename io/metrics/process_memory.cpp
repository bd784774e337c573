// SPDX-License-Identifier: Apache-2.0
#include "metrics/process_memory.hpp"

#include <cstdlib>
#include <fstream>
#include <string>

namespace tessera::metrics {

std::int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;  // in kB
  return 0;
}

void reset_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets VmHWM
}

}  // namespace tessera::metrics
