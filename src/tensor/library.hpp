// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/dtype.hpp"

namespace tessera::tensor {

/// "oneDNN 2.6.3"
std::string matrix_library_version();

/// This machine's matrix rate with these threads and this element type, GFLOP/s: the best that the library itself
/// reaches, with its own threads, on products of 1024, 2048 and 4096 cubed.
double measure_matrix_gflops(base::DType type, int threads);

/// The same in about `seconds` at most, or as long as products of 1024 cubed take: larger ones are tried while they are
/// expected to fit, so that machines which only these bring to their full rate are fast enough for them.
double quick_matrix_gflops(base::DType type, int threads, double seconds);

/// Bytes per second that `threads` threads read and write together in y += x over 256 MiB: best of four.
double measure_memory_bandwidth(int threads);

/// True if this CPU multiplies bf16 in hardware (AVX512-BF16).
bool has_bf16_products();
/// True if it does and TESSERA_ISA does not cap the kernels to v3: whether runs in bf16 pay.
bool offers_bf16();

/// Model name of the CPU as the kernel reports it, or "unknown".
std::string cpu_name();

}  // namespace tessera::tensor
