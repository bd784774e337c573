// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.hpp"

#include <algorithm>
#include <bit>

#include "base/error.hpp"
#include "base/philox.hpp"

namespace tessera::data {
namespace {

/// Rounds of the network: twice what makes it pseudo-random in theory (Luby & Rackoff 1988: 4).
constexpr std::uint32_t kRounds = 8;

/// One pass of the balanced Feistel network over 2 * half_bits bits.
std::uint64_t feistel(const base::PhiloxKey& key, std::uint64_t epoch, int half_bits, std::uint64_t value) {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits) - 1;
  std::uint64_t left = value >> half_bits, right = value & mask;
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    std::uint32_t words[4];
    base::philox4x32(key, static_cast<std::uint32_t>(right), round, static_cast<std::uint32_t>(epoch),
                     static_cast<std::uint32_t>(epoch >> 32), words);
    const std::uint64_t next = left ^ (words[0] & mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}

}  // namespace

std::uint64_t permute(std::uint64_t seed, std::uint64_t epoch, std::uint64_t size, std::uint64_t index) {
  const base::PhiloxKey key = base::philox_key(seed, base::RandomStream::data_order);
  const int half_bits = std::max(1, static_cast<int>(std::bit_width(size - 1) + 1) / 2);
  do index = feistel(key, epoch, half_bits, index);
  while (index >= size);  // the domain is below 4 * size, so few turns are needed
  return index;
}

Sampler::Sampler(std::uint64_t seed, std::int64_t num_tokens, std::int64_t context) : seed_(seed), context_(context) {
  if (num_tokens < context + 1)
    base::fail_usage("model.context = {} is longer than the data: {} tokens, one sequence needs {}", context,
                     num_tokens, context + 1);
  // One window less than fit leaves room for every shift.
  const std::int64_t fitting = (num_tokens - 1) / context;
  samples_per_epoch_ = static_cast<std::uint64_t>(std::max<std::int64_t>(1, fitting - 1));
  const std::int64_t slack = num_tokens - 1 - static_cast<std::int64_t>(samples_per_epoch_) * context;
  num_shifts_ = static_cast<std::uint64_t>(std::min(context, slack + 1));
}

std::int64_t Sampler::first_token(std::uint64_t index) const {
  const std::uint64_t epoch = index / samples_per_epoch_;
  const std::uint64_t window = permute(seed_, epoch, samples_per_epoch_, index % samples_per_epoch_);
  const base::PhiloxKey key = base::philox_key(seed_, base::RandomStream::data_shift);
  const std::uint64_t shift = base::random_u64(key, epoch) % num_shifts_;
  return static_cast<std::int64_t>(window) * context_ + static_cast<std::int64_t>(shift);
}

}  // namespace tessera::data
