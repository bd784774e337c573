// SPDX-License-Identifier: Apache-2.0
#include "tensor/device.hpp"

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string_view>

#include "base/error.hpp"
#include "tensor/cpu/kernels.hpp"
#include "tensor/cpu/matmul.hpp"
#include "tensor/library.hpp"

namespace tessera::tensor {
namespace {

constexpr std::size_t kAlignment = 64;

const cpu::Kernels& best_kernels() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
    base::fail(
        "this CPU ({}) lacks AVX2, FMA or BMI2, which Tessera's kernels need (x86-64-v3): use a node from 2015 "
        "or later",
        cpu_name());
  const char* cap = std::getenv("TESSERA_ISA");
  const bool capped = cap != nullptr && std::string_view(cap) == "v3";
  if (cap != nullptr && *cap != '\0' && !capped && std::string_view(cap) != "v4")
    base::fail_usage("environment variable TESSERA_ISA = '{}' is not one of v3, v4: correct it or unset it", cap);
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (cap != nullptr && std::string_view(cap) == "v4" && !v4)
    base::fail_usage("environment variable TESSERA_ISA = v4, but this CPU ({}) has no AVX-512: unset it", cpu_name());
  return v4 && !capped ? cpu::kernels_v4() : cpu::kernels_v3();
}

}  // namespace

void Device::Free::operator()(std::byte* memory) const {
  ::operator delete (memory, std::align_val_t{kAlignment});
}

Device::Device(int threads)
    : threads_(threads), kernels_(&best_kernels()), matmul_(std::make_unique<cpu::MatmulEngine>(threads)) {
  if (threads < 1) throw std::logic_error("Device needs at least one thread");
}

Device::~Device() = default;

std::string Device::instruction_set() const {
  return kernels_->instruction_set;
}

std::byte* Device::scratch(std::size_t size_bytes) {
  if (size_bytes > scratch_bytes_) {
    scratch_.reset();
    scratch_.reset(static_cast<std::byte*>(::operator new (size_bytes, std::align_val_t{kAlignment})));
    scratch_bytes_ = size_bytes;
  }
  return scratch_.get();
}

}  // namespace tessera::tensor
