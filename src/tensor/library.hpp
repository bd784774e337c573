// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tessera::tensor {

/// "oneDNN 2.6.3"
std::string matrix_library_version();

/// This machine's matrix rate with these threads, GFLOP/s: the best that the library itself reaches, with its own
/// threads, on products of 1024, 2048 and 4096 cubed.
double measure_matrix_gflops(int threads);

/// Model name of the CPU as the kernel reports it, or "unknown".
std::string cpu_name();

}  // namespace tessera::tensor
