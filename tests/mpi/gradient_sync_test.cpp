// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/gradient_sync.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "base/philox.hpp"
#include "data_parallel/buckets.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

using data_parallel::GradientSync;
using data_parallel::Stretch;

/// Gradient of a rank in a step: of very different sizes, so that another order of sums gives other bits.
std::vector<float> gradient_of(int rank, int step, std::size_t size) {
  const base::PhiloxKey key = base::philox_key(static_cast<std::uint64_t>(step), base::RandomStream::test);
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i)
    values[i] = base::random_normal(key, static_cast<std::uint64_t>(rank), i) * (i % 3 ? 1.0f : 1e6f);
  return values;
}

std::vector<float> sum_in_rank_order(int ranks, int step, std::size_t size) {
  std::vector<float> sum = gradient_of(0, step, size);
  for (int rank = 1; rank < ranks; ++rank) {
    const std::vector<float> next = gradient_of(rank, step, size);
    for (std::size_t i = 0; i < size; ++i) sum[i] += next[i];
  }
  return sum;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

BOOST_AUTO_TEST_CASE(the_sum_is_that_of_rank_order_bit_for_bit) {
  tensor::Device device(1);
  for (const std::size_t size : {std::size_t{1}, std::size_t{3}, std::size_t{1000}, std::size_t{100'003}})
    for (const std::int64_t bucket_bytes : {std::int64_t{64}, std::int64_t{4096}, std::int64_t{1} << 20}) {
      if (bucket_bytes == 64 && size > 1000) continue;  // thousands of messages show nothing more
      std::vector<float> gradient(size);
      GradientSync sync(world(), device, gradient, bucket_bytes);
      for (int step = 0; step < 3; ++step) {
        const std::vector<float> mine = gradient_of(world().rank(), step, size);
        std::copy(mine.begin(), mine.end(), gradient.begin());
        if (step == 1) sync.ready(0);
        if (step == 2)
          for (int part = 9; part >= 0; --part) {
            sync.ready(static_cast<std::int64_t>(size) * part / 10);
            sync.progress();
          }
        sync.finish();
        BOOST_TEST(same_bits(gradient, sum_in_rank_order(world().size(), step, size)),
                   "size " << size << ", bucket " << bucket_bytes << ", step " << step);
      }
    }
}

BOOST_AUTO_TEST_CASE(more_buckets_than_tags_wait_for_their_turn) {
  tensor::Device device(1);
  constexpr std::size_t size = 3 * 4096 + 5;  // one bucket each
  std::vector<float> gradient(size);
  GradientSync sync(world(), device, gradient, sizeof(float));
  for (int step = 0; step < 2; ++step) {
    const std::vector<float> mine = gradient_of(world().rank(), step, size);
    std::copy(mine.begin(), mine.end(), gradient.begin());
    if (step == 1) sync.ready(size / 2);
    sync.finish();
    BOOST_TEST(same_bits(gradient, sum_in_rank_order(world().size(), step, size)), "step " << step);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_ready_is_not_touched) {
  if (world().size() == 1) return;
  tensor::Device device(1);
  std::vector<float> gradient(1000, 1.0f);
  GradientSync sync(world(), device, gradient, 400);
  sync.ready(500);  // backward has finished the second half only
  std::fill(gradient.begin(), gradient.begin() + 500, 2.0f);
  for (int i = 0; i < 100; ++i) sync.progress();
  sync.finish();
  const auto ranks = static_cast<float>(world().size());
  BOOST_TEST(gradient[0] == 2.0f * ranks);
  BOOST_TEST(gradient[499] == 2.0f * ranks);
  BOOST_TEST(gradient[999] == ranks);
}

BOOST_AUTO_TEST_CASE(buckets_and_shards_cover_every_element_once) {
  for (const std::int64_t size : {1, 2, 7, 64, 1000, 4097})
    for (const std::int64_t bucket : {1, 3, 64, 5000}) {
      std::vector<int> covered(static_cast<std::size_t>(size), 0);
      std::int64_t end = size;
      for (const Stretch& stretch : data_parallel::cut_buckets(size, bucket)) {
        BOOST_TEST(stretch.first + stretch.size == end);  // from the end to the start without a gap
        BOOST_TEST(stretch.size <= bucket);
        end = stretch.first;
        for (const int ranks : {1, 2, 3, 8})
          for (int rank = 0; rank < ranks; ++rank) {
            const Stretch part = data_parallel::shard(stretch, rank, ranks);
            for (std::int64_t i = part.first; i < part.first + part.size; ++i) ++covered[static_cast<std::size_t>(i)];
          }
      }
      BOOST_TEST(end == 0);
      BOOST_TEST((covered == std::vector<int>(static_cast<std::size_t>(size), 4)));
    }
}

}  // namespace
}  // namespace tessera::testing
