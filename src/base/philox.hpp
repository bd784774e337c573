// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
// Every random number of Tessera is a pure function of a key and a counter, so there is no generator state to save and
// no layout of ranks or threads can change a draw.
#pragma once

#include <array>
#include <cstdint>

namespace tessera::base {

struct PhiloxKey {
  std::uint32_t k0 = 0, k1 = 0;
};

/// Four independent uniform 32-bit words for one 128-bit counter.
/// always_inline: kernels compiled for several instruction sets include this, and no out-of-line copy of one of them
/// may be picked by the linker for all (an AVX-512 copy would end an older machine with SIGILL).
[[gnu::always_inline]] inline void philox4x32(PhiloxKey key, std::uint32_t c0, std::uint32_t c1, std::uint32_t c2,
                                              std::uint32_t c3, std::uint32_t out[4]) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2;
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key.k0;
    const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key.k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/// What a draw is for: streams of different purposes never share a key.
enum class RandomStream : std::uint32_t {
  init = 1,
  data_order = 2,
  data_shift = 3,
  dropout = 4,
  sampling = 5,
  test = 6
};

/// The key of a stream: seed and purpose, mixed so that neighbouring seeds share nothing.
PhiloxKey philox_key(std::uint64_t seed, RandomStream stream);

/// 64 uniform bits for (key, index).
std::uint64_t random_u64(PhiloxKey key, std::uint64_t index, std::uint64_t subindex = 0);

/// Uniform double in [0, 1) with 53 bits for (key, index).
double random_uniform(PhiloxKey key, std::uint64_t index, std::uint64_t subindex = 0);

/// Standard normal draw for (key, tensor, index): Box-Muller on the words of one Philox block, with our own polynomials
/// for log, sin and cos (no libm), so that the bits are the same on every machine and compiler.
float random_normal(PhiloxKey key, std::uint64_t tensor, std::uint64_t index);

/// 64-bit FNV-1a of a name: the tensor number of random_normal.
std::uint64_t name_hash(const char* begin, const char* end);

}  // namespace tessera::base
