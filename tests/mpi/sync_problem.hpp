// SPDX-License-Identifier: Apache-2.0
// Tensors of many shapes, what each rank contributes to their gradients, and the sums in plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "base/philox.hpp"
#include "data_parallel/gradient_sync.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {

struct SyncShape {
  tensor::Shape shape;
  int group;
};

/// To the nearest bf16, ties to even, and back.
inline float rounded(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

/// What `rank` adds to tensor `index`: of very different sizes, so that another order of sums gives other bits.
inline std::vector<float> contribution(std::size_t index, int rank, int step, std::int64_t size,
                                       data_parallel::Wire wire) {
  const base::PhiloxKey key =
      base::philox_key(static_cast<std::uint64_t>(step) * 1000 + index, base::RandomStream::test);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = base::random_normal(key, static_cast<std::uint64_t>(rank), i) * (i % 3 ? 1.0f : 1e6f);
    if (wire == data_parallel::Wire::bf16 && world().size() > 1) values[i] = rounded(values[i]);
  }
  return values;
}

inline void add(std::vector<float>& sum, const std::vector<float>& next) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += next[i];
}

/// The sum of `ranks_per_node` ranks after the other, then of these sums, which travel as contributions do; 1 or all:
/// plain rank order.
inline std::vector<float> sum_in_rank_order(std::size_t index, int step, std::int64_t size, data_parallel::Wire wire,
                                            int ranks_per_node = 1) {
  const int ranks = world().size();
  const bool two_levels = ranks_per_node > 1 && ranks_per_node < ranks && ranks % ranks_per_node == 0;
  std::vector<float> sum;
  for (int first = 0; first < ranks; first += two_levels ? ranks_per_node : 1) {
    std::vector<float> node = contribution(index, first, step, size, wire);
    if (two_levels) {
      for (int rank = first + 1; rank < first + ranks_per_node; ++rank)
        add(node, contribution(index, rank, step, size, wire));
      if (wire == data_parallel::Wire::bf16) std::transform(node.begin(), node.end(), node.begin(), rounded);
    }
    if (first == 0)
      sum = node;
    else
      add(sum, node);
  }
  return sum;
}

/// Rounding that another order of the sum may bring: of each element.
inline std::vector<float> order_tolerance(std::size_t index, int step, std::int64_t size) {
  std::vector<float> tolerance(static_cast<std::size_t>(size), 0.0f);
  for (int rank = 0; rank < world().size(); ++rank) {
    const std::vector<float> values = contribution(index, rank, step, size, data_parallel::Wire::fp32);
    for (std::size_t i = 0; i < values.size(); ++i) tolerance[i] += 5e-7f * std::abs(values[i]);
  }
  return tolerance;
}

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// The elements of `range`.
inline std::span<const float> part(const std::vector<float>& values, const tensor::Range& range) {
  return std::span<const float>(values).subspan(static_cast<std::size_t>(range.first),
                                                static_cast<std::size_t>(range.size));
}

/// Memory of this rank for tensors of given shapes.
struct SyncProblem {
  std::vector<data_parallel::SyncTensor> tensors;
  std::vector<std::vector<float>> gradients, accumulators, weights;
  std::vector<std::vector<base::Bf16>> rounded_weights;
  int num_groups = 0;

  /// `mixed`: weights of two dims are bf16.
  SyncProblem(const std::vector<SyncShape>& shapes, bool mixed) {
    for (const auto& [shape, group] : shapes) {
      data_parallel::SyncTensor tensor;
      tensor.rotation = static_cast<std::int64_t>(tensors.size());
      tensor.group = group;
      num_groups = std::max(num_groups, group + 1);
      const auto size = static_cast<std::size_t>(shape.num_elements());
      tensor.gradient = {gradients.emplace_back(size).data(), shape};
      if (mixed && shape.num_dims() > 1)
        tensor.weight = {rounded_weights.emplace_back(size).data(), shape};
      else
        tensor.weight = {weights.emplace_back(size).data(), shape};
      tensor::Shape own = shape;
      own.set(0, data_parallel::own_rows(shape[0], world().size(), world().rank(), tensor.rotation).size);
      tensor.accumulator = {accumulators.emplace_back(static_cast<std::size_t>(own.num_elements())).data(), own};
      tensors.push_back(tensor);
    }
  }

  tensor::Range own(std::size_t index, int rank) const {
    const std::int64_t rows = tensors[index].gradient.extent(0), row = tensors[index].gradient.num_elements() / rows;
    const tensor::Range range = data_parallel::own_rows(rows, world().size(), rank, tensors[index].rotation);
    return {range.first * row, range.size * row};
  }
  std::span<const float> own_gradient(std::size_t index) const {
    return part(gradients[index], own(index, world().rank()));
  }

  /// This rank's contributions into the gradients of a group.
  void fill(int group, int step) {
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].group == group) {
        const tensor::View& gradient = tensors[i].gradient;  // may be memory of another group
        const std::vector<float> mine =
            contribution(i, world().rank(), step, gradient.num_elements(), data_parallel::Wire::fp32);
        std::copy(mine.begin(), mine.end(), gradient.as<float>());
      }
  }
};

}  // namespace tessera::testing
