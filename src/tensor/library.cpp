// SPDX-License-Identifier: Apache-2.0
#include "tensor/library.hpp"

#include <algorithm>
#include <fstream>

#include "tensor/cpu/matmul.hpp"

namespace tessera::tensor {

std::string matrix_library_version() {
  return cpu::MatmulEngine::library_version();
}

double measure_matrix_gflops(int threads) {
  double best = 0;
  for (const std::int64_t n : {1024, 2048, 4096}) best = std::max(best, cpu::MatmulEngine::library_gflops(n, threads));
  return best;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown";
}

}  // namespace tessera::tensor
