// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/buckets.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>

#include "data_parallel/gradient_sync.hpp"

namespace tessera::testing {
namespace {

using data_parallel::Bucket;
using data_parallel::Piece;
using data_parallel::SyncSettings;
using data_parallel::SyncTensor;
using data_parallel::Wire;

/// Without memory.
SyncTensor measured(tensor::Shape shape, std::int64_t rotation, int group) {
  return {{nullptr, base::DType::f32, shape}, {}, {nullptr, base::DType::bf16, shape}, rotation, group};
}

std::vector<SyncTensor> like_a_model(std::int64_t layers, std::int64_t hidden) {
  std::vector<SyncTensor> tensors;
  for (std::int64_t layer = 0; layer < layers; ++layer)
    for (const tensor::Shape& shape : {tensor::Shape{hidden}, {3 * hidden, hidden}, {1, hidden}, {hidden, 4 * hidden}})
      tensors.push_back(measured(shape, static_cast<std::int64_t>(tensors.size()), static_cast<int>(layer)));
  return tensors;
}

BOOST_AUTO_TEST_CASE(own_rows_cover_each_row_once) {
  for (const std::int64_t rows : {0, 1, 3, 8, 1001})
    for (const int ranks : {1, 2, 3, 8})
      for (const std::int64_t rotation : {0, 1, 5, 1000}) {
        std::vector<int> covered(static_cast<std::size_t>(rows), 0);
        for (int rank = 0; rank < ranks; ++rank) {
          const tensor::Range own = data_parallel::own_rows(rows, ranks, rank, rotation);
          for (std::int64_t row = own.first; row < own.last(); ++row) ++covered[static_cast<std::size_t>(row)];
        }
        BOOST_TEST((covered == std::vector<int>(static_cast<std::size_t>(rows), 1)));
      }
  BOOST_TEST(data_parallel::own_rows(1, 4, 1, 3).size == 1);  // a single row moves from rank to rank
  BOOST_TEST(data_parallel::own_rows(1, 4, 0, 3).size == 0);
}

BOOST_AUTO_TEST_CASE(buckets_hold_every_element_once_with_its_owner) {
  const std::vector<SyncTensor> tensors = like_a_model(3, 24);
  for (const int zero : {0, 2})
    for (const int ranks : {1, 2, 3, 8, 50})
      for (const std::int64_t bucket_bytes : {1, 900, 20'000, 1 << 20}) {
        std::map<std::pair<std::size_t, std::int64_t>, int> covered;
        int last_group = 1000;
        for (const Bucket& bucket :
             data_parallel::cut_buckets(tensors, ranks, {.bucket_bytes = bucket_bytes, .zero = zero})) {
          BOOST_TEST(bucket.groups.front() <= last_group);  // from the last group to the first
          last_group = bucket.groups.back();
          if (zero == 2) BOOST_TEST(bucket.groups.size() == 1u);
          for (int rank = 0; rank < ranks; ++rank) {
            std::int64_t size = 0;
            for (const Piece& piece : bucket.part(rank)) {
              const tensor::Range own = data_parallel::own_elements(tensors[piece.tensor], ranks, rank);
              BOOST_TEST((piece.size > 0 && piece.first >= own.first && piece.first + piece.size <= own.last()));
              BOOST_TEST(std::count(bucket.groups.begin(), bucket.groups.end(), tensors[piece.tensor].group) == 1);
              for (std::int64_t e = 0; e < piece.size; ++e) ++covered[{piece.tensor, piece.first + e}];
              size += piece.size;
            }
            BOOST_TEST(size == bucket.part_size(rank));
            if (bucket_bytes > 1) BOOST_TEST(size * ranks * 4 <= bucket_bytes + 4 * ranks);
          }
        }
        std::int64_t elements = 0;
        for (const SyncTensor& tensor : tensors) elements += tensor.gradient.num_elements();
        BOOST_TEST(static_cast<std::int64_t>(covered.size()) == elements);
        BOOST_TEST(std::all_of(covered.begin(), covered.end(), [](const auto& count) { return count.second == 1; }));
      }
}

BOOST_AUTO_TEST_CASE(a_large_tensor_is_cut_evenly_for_all_ranks) {
  const std::vector<Bucket> buckets =
      data_parallel::cut_buckets({measured({1003, 64}, 0, 0)}, 4, {.bucket_bytes = 16 << 10});
  BOOST_TEST(buckets.size() == 16u);
  for (const Bucket& bucket : buckets)
    for (int rank = 0; rank < 4; ++rank) {
      BOOST_TEST(bucket.part(rank).size() == 1u);
      BOOST_TEST(bucket.part_size(rank) >= 1000);
      BOOST_TEST(bucket.part_size(rank) <= 1004);
    }
}

BOOST_AUTO_TEST_CASE(work_space_is_a_few_buckets_whatever_the_model) {
  const std::int64_t bucket_bytes = 25 << 20;
  for (const int zero : {0, 1, 2})
    for (const int ranks : {2, 8, 64}) {
      const auto bytes = [&](std::int64_t layers, Wire wire, bool mpi) {
        return data_parallel::GradientSync::buffer_bytes(
            like_a_model(layers, 1536), ranks, SyncSettings{bucket_bytes, zero, wire, mpi, base::Fault::none});
      };
      BOOST_TEST(bytes(40, Wire::fp32, false) == bytes(20, Wire::fp32, false));
      BOOST_TEST(bytes(20, Wire::fp32, false) <= 8u * bucket_bytes + 65536u);
      BOOST_TEST(bytes(20, Wire::bf16, false) <= 4u * bucket_bytes + 65536u);
      BOOST_TEST(bytes(20, Wire::fp32, true) <= 4u * bucket_bytes + 65536u);
      BOOST_TEST(bytes(20, Wire::fp32, false) > 0u);
    }
  BOOST_TEST(data_parallel::GradientSync::buffer_bytes(like_a_model(2, 64), 1, {}) == 0u);
}

}  // namespace
}  // namespace tessera::testing
