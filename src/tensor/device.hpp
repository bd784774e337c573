// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tensor/view.hpp"
#include "tensor/work_times.hpp"

namespace tessera::tensor {

namespace cpu {
struct Kernels;      // table of functions compiled for one instruction set: tensor/cpu/kernels.hpp
class MatmulEngine;  // oneDNN behind one wrapper: tensor/cpu/matmul.hpp
}  // namespace cpu

/// Where operations run: the CPU of this process with a fixed number of threads. Passed to every operation; there is no
/// default device. Not copyable; used by one thread at a time.
class Device {
 public:
  /// `threads` >= 1. Chooses the kernels for the best instruction set this CPU has; TESSERA_ISA=v3 in the environment
  /// caps it (for tests). Throws base::Error on a CPU without AVX2, FMA and BMI2 (x86-64-v3), naming the CPU.
  explicit Device(int threads);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  int threads() const { return threads_; }
  const cpu::Kernels& kernels() const { return *kernels_; }
  cpu::MatmulEngine& matmul() { return *matmul_; }
  /// Where the time of its operations goes.
  WorkTimes& times() { return times_; }
  const WorkTimes& times() const { return times_; }
  /// "x86-64-v3" or "x86-64-v4"
  std::string instruction_set() const;

  /// Scratch memory of at least `size_bytes`, 64-byte aligned, valid until the next call; grows and never shrinks, so a
  /// step after the first allocates nothing.
  std::byte* scratch(std::size_t size_bytes);
  std::size_t scratch_bytes() const { return scratch_bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  int threads_;
  WorkTimes times_;
  const cpu::Kernels* kernels_;
  std::unique_ptr<cpu::MatmulEngine> matmul_;
  std::unique_ptr<std::byte, Free> scratch_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace tessera::tensor
