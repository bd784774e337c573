// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace tessera::data_parallel {

/// Elements [first, first + size) of the flat gradient buffer.
struct Stretch {
  std::int64_t first = 0, size = 0;
};

/// Cuts a buffer of `num_elements` into buckets of `bucket_elements` from its end, as backward finishes it from there;
/// the bucket at the start of the buffer, the last one, may be smaller. Pure.
std::vector<Stretch> cut_buckets(std::int64_t num_elements, std::int64_t bucket_elements);

/// The shard of a bucket that `rank` of `ranks` sums: parts of ceil(size / ranks) elements, the last ones smaller or
/// empty. Pure.
Stretch shard(const Stretch& bucket, int rank, int ranks);

}  // namespace tessera::data_parallel
