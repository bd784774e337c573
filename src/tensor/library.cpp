// SPDX-License-Identifier: Apache-2.0
#include "tensor/library.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string_view>

#include "tensor/cpu/matmul.hpp"

namespace tessera::tensor {

std::string matrix_library_version() {
  return cpu::MatmulEngine::library_version();
}

double measure_matrix_gflops(base::DType type, int threads) {
  double best = 0;
  for (const std::int64_t n : {1024, 2048, 4096})
    best = std::max(best, cpu::MatmulEngine::library_gflops(type, n, threads));
  return best;
}

double quick_matrix_gflops(base::DType type, int threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr double kProducts = 6;  // those that are timed, and as long again for making the matrices
  const Clock::time_point start = Clock::now();
  double best = 0;
  for (const std::int64_t n : {1024, 2048, 4096}) {
    const std::chrono::duration<double> passed = Clock::now() - start;
    const double edge = static_cast<double>(n), expected = kProducts * 2e-9 * edge * edge * edge / best;
    if (best > 0 && passed.count() + expected > seconds) break;
    best = std::max(best, cpu::MatmulEngine::library_gflops(type, n, threads));
  }
  return best;
}

double measure_memory_bandwidth(int threads) {
  constexpr std::int64_t kFloats = 32 << 20;
  // Each thread touches its part first, so that the pages lie near it.
  const auto x = std::make_unique_for_overwrite<float[]>(kFloats), y = std::make_unique_for_overwrite<float[]>(kFloats);
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < kFloats; ++i) x[static_cast<std::size_t>(i)] = y[static_cast<std::size_t>(i)] = 1.0f;
  double best = 0;
  for (int run = 0; run < 4; ++run) {
    const auto start = std::chrono::steady_clock::now();
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
    for (std::int64_t i = 0; i < kFloats; ++i) y[static_cast<std::size_t>(i)] += x[static_cast<std::size_t>(i)];
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 3.0 * sizeof(float) * kFloats / seconds.count());
  }
  return best;
}

bool has_bf16_products() {
  return cpu::MatmulEngine::has_bf16();
}

bool offers_bf16() {
  const char* cap = std::getenv("TESSERA_ISA");
  return has_bf16_products() && (cap == nullptr || std::string_view(cap) != "v3");
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown";
}

}  // namespace tessera::tensor
