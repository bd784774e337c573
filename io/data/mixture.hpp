// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace tessera::data {

/// Which source each sample of a run is taken from: a pure function of (weights, global sample index), in O(log
/// sources) and 64-bit arithmetic, so there is no loader state and no layout or resume can change the mixture.
///
/// Rule. Weights become whole parts, a billion in all. The sources are halved again and again, in the order given; of
/// the first n samples that reach such a group with l parts in its left half and w in all, round(n l / w) go left and
/// the others right. So sample n goes left where that number rises from n to n + 1, and which sample of the half it
/// is, is the number itself. Hence
///   - a source's samples are 0, 1, 2, ... in the order of the run: its epochs follow each other;
///   - of the first n samples of a run, for every n, a source of share p gets n p within ceil(log2(sources)) / 2 (for
///     up to 16 sources: 2 samples), but for the rounding of the weights, which is below sources * n / 10^9.
class Mixture {
 public:
  struct Place {
    std::size_t source = 0;
    std::uint64_t index = 0;  ///< number of the sample within its source, over the whole run
  };

  /// One weight a source, in any unit, none below a billionth of their sum.
  explicit Mixture(const std::vector<double>& weights);

  /// Where sample `sample` (global index over the whole run, from 0) comes from. sample < 2^63.
  Place place(std::uint64_t sample) const;
  /// How many of the first `num_samples` samples come from `source`.
  std::uint64_t count(std::size_t source, std::uint64_t num_samples) const;
  std::size_t num_sources() const { return parts_.size() - 1; }

 private:
  std::uint64_t parts(std::size_t first, std::size_t last) const { return parts_[last] - parts_[first]; }

  std::vector<std::uint64_t> parts_;  // of all sources before each one; the last element is the sum
};

/// Seed of the order in which a source is visited: sources of one size must not share an order. Source 0 has the seed
/// of the run, so a single file needs no mixture.
std::uint64_t source_seed(std::uint64_t seed, std::size_t source);

}  // namespace tessera::data
