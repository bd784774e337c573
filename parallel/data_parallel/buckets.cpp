// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/buckets.hpp"

#include <algorithm>

namespace tessera::data_parallel {

std::vector<Stretch> cut_buckets(std::int64_t num_elements, std::int64_t bucket_elements) {
  std::vector<Stretch> buckets;
  for (std::int64_t end = num_elements; end > 0;) {
    const std::int64_t size = std::min(end, std::max<std::int64_t>(1, bucket_elements));
    buckets.push_back({end - size, size});
    end -= size;
  }
  return buckets;
}

Stretch shard(const Stretch& bucket, int rank, int ranks) {
  const std::int64_t part = (bucket.size + ranks - 1) / ranks;
  const std::int64_t first = std::min(bucket.size, rank * part);
  return {bucket.first + first, std::min(bucket.size, first + part) - first};
}

}  // namespace tessera::data_parallel
