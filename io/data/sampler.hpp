// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::data {

/// Where sample i of a run lies in the token stream: a pure function of (seed, i), so there is no loader state to save
/// and no layout or resume can change the order of the data.
///
/// An epoch cuts the stream into windows of `context` tokens (each needs one more token as its last target), all
/// shifted by a random amount below `context`, so that every epoch sees other cuts, and visits them in the order of a
/// random permutation.
class Sampler {
 public:
  /// Throws base::UsageError if num_tokens < context + 1, naming both.
  Sampler(std::uint64_t seed, std::int64_t num_tokens, std::int64_t context);

  /// First token of sample `index` (global index over the whole run, from 0); tokens [first, first + context] belong to
  /// it.
  std::int64_t first_token(std::uint64_t index) const;
  std::uint64_t samples_per_epoch() const { return samples_per_epoch_; }

 private:
  std::uint64_t seed_;
  std::int64_t context_;
  std::uint64_t samples_per_epoch_;
  std::uint64_t num_shifts_;
};

/// Element `index` of a pseudo-random permutation of [0, size), chosen by (seed, epoch): a Feistel network over Philox
/// with cycle walking (Black & Rogaway 2002), which needs no memory. size >= 1, index < size. 64-bit.
std::uint64_t permute(std::uint64_t seed, std::uint64_t epoch, std::uint64_t size, std::uint64_t index);

}  // namespace tessera::data
