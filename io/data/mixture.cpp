// SPDX-License-Identifier: Apache-2.0
#include "data/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tessera::data {
namespace {

constexpr double kParts = 1e9;  // decimal weights of up to nine digits that sum to 1 are met exactly

/// round(count * part / whole), halves up. whole <= 2 kParts keeps every product below 2^63.
std::uint64_t share(std::uint64_t count, std::uint64_t part, std::uint64_t whole) {
  return count / whole * part + (2 * (count % whole) * part + whole) / (2 * whole);
}

}  // namespace

Mixture::Mixture(const std::vector<double>& weights) : parts_{0} {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (const double weight : weights) {
    const long long part = std::max(1LL, std::llround(weight / sum * kParts));
    parts_.push_back(parts_.back() + static_cast<std::uint64_t>(part));
  }
}

Mixture::Place Mixture::place(std::uint64_t sample) const {
  std::size_t first = 0, last = num_sources();
  std::uint64_t index = sample;
  while (last - first > 1) {
    const std::size_t middle = first + (last - first) / 2;
    const std::uint64_t left = share(index, parts(first, middle), parts(first, last));
    if (share(index + 1, parts(first, middle), parts(first, last)) > left) {
      last = middle;
      index = left;
    } else {
      first = middle;
      index -= left;
    }
  }
  return {first, index};
}

std::uint64_t Mixture::count(std::size_t source, std::uint64_t num_samples) const {
  std::size_t first = 0, last = num_sources();
  std::uint64_t count = num_samples;
  while (last - first > 1) {
    const std::size_t middle = first + (last - first) / 2;
    const std::uint64_t left = share(count, parts(first, middle), parts(first, last));
    if (source < middle) {
      last = middle;
      count = left;
    } else {
      first = middle;
      count -= left;
    }
  }
  return count;
}

std::uint64_t source_seed(std::uint64_t seed, std::size_t source) {
  return seed + source * 0x9E3779B97F4A7C15u;  // far from the seeds people choose
}

}  // namespace tessera::data
