// SPDX-License-Identifier: Apache-2.0
#include "data_parallel/gradient_sync.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "data_parallel/buckets.hpp"
#include "mpi/sync_problem.hpp"

namespace tessera::testing {
namespace {

using data_parallel::GradientSync;
using data_parallel::SyncSettings;
using data_parallel::SyncTensor;
using data_parallel::Wire;
using tensor::Accumulate;

/// Fewer rows than ranks, one row, no row, tensors of many buckets, groups that are not in order.
const std::vector<SyncShape> kShapes = {{{300, 33}, 0}, {{3}, 0},  {{1, 700}, 1}, {{64, 17}, 1},
                                        {{2, 2000}, 2}, {{37}, 2}, {{16}, 2},     {{0, 5}, 3},
                                        {{5, 3, 2}, 3}, {{1}, 1},  {{128, 9}, 5}, {{9}, 5}};

/// Groups from the last to the first, as backward finishes them; the other way round; or in no order.
std::vector<int> ready_order(int num_groups, int kind) {
  std::vector<int> order(static_cast<std::size_t>(num_groups));
  std::iota(order.begin(), order.end(), 0);
  if (kind == 0) std::reverse(order.begin(), order.end());
  if (kind == 2)
    for (std::size_t i = 0; i < order.size(); ++i) std::swap(order[i], order[(i * 7 + 3) % order.size()]);
  return order;
}

/// Ranks that arrive at different times, so that some are rounds ahead of others.
void dawdle(int step, int group) {
  std::this_thread::sleep_for(std::chrono::microseconds(300 * ((world().rank() * 5 + step * 3 + group) % 4)));
}

/// Every gradient, its own rows, or the accumulators, as zero promises.
void check_sums(const SyncProblem& problem, const SyncSettings& settings, int step, const char* what) {
  for (std::size_t i = 0; i < problem.tensors.size(); ++i) {
    std::vector<float> sum =
        sum_in_rank_order(i, step, problem.tensors[i].gradient.num_elements(), settings.wire, settings.ranks_per_node);
    if (sum.empty()) continue;
    if (settings.zero == 0 && settings.wire == Wire::bf16 && world().size() > 1)
      std::transform(sum.begin(), sum.end(), sum.begin(), rounded);
    const tensor::Range mine =
        settings.zero == 0 ? tensor::Range{0, static_cast<std::int64_t>(sum.size())} : problem.own(i, world().rank());
    const std::span<const float> expected = part(sum, mine);
    std::span<const float> got = problem.gradients[i];
    if (settings.zero == 1) got = problem.own_gradient(i);
    if (settings.zero == 2) got = problem.accumulators[i];
    if (settings.mpi_reduce) {
      const std::vector<float> tolerance = order_tolerance(i, step, static_cast<std::int64_t>(sum.size()));
      for (std::size_t e = 0; e < got.size(); ++e)
        BOOST_REQUIRE(std::abs(got[e] - expected[e]) <= part(tolerance, mine)[e]);
    } else {
      BOOST_TEST(same_bits(got, expected), what << ": tensor " << i << ", zero " << settings.zero << ", step " << step
                                                << ", bucket " << settings.bucket_bytes);
    }
  }
}

/// Owners write their rows of the weights; afterwards every rank has all of them.
void check_weights(SyncProblem& problem, GradientSync& sync, int step) {
  const auto value = [&](std::size_t i, std::int64_t e, int owner) {
    return static_cast<std::int64_t>(i) * 7 + e % 31 + owner * 3 + step;
  };
  for (int pass = 0; pass < 2; ++pass) {
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < problem.tensors.size(); ++i) {
      if (problem.tensors[i].gradient.num_elements() == 0) continue;
      const tensor::View& weight = problem.tensors[i].weight;
      for (int owner = 0; owner < world().size(); ++owner) {
        const tensor::Range own = problem.own(i, owner);
        for (std::int64_t e = own.first; e < own.last(); ++e) {
          const std::int64_t right = value(i, e, owner), written = pass == 0 && owner != world().rank() ? -1 : right;
          if (weight.dtype() == base::DType::f32) {
            if (pass == 0) weight.as<float>()[e] = static_cast<float>(written);
            wrong += weight.as<float>()[e] != static_cast<float>(written);
          } else {
            if (pass == 0) weight.as<base::Bf16>()[e] = {static_cast<std::uint16_t>(written)};
            wrong += weight.as<base::Bf16>()[e].bits != static_cast<std::uint16_t>(written);
          }
        }
      }
    }
    BOOST_TEST(wrong == 0);
    if (pass == 0) sync.gather_weights();
  }
}

/// Three steps with ready() in three orders: sums, weights and the count of bytes.
void check_steps(const SyncSettings& settings, bool mixed_weights, const char* what) {
  tensor::Device device(1);
  SyncProblem problem(kShapes, mixed_weights);
  GradientSync sync(world(), device, problem.tensors, settings);
  for (int step = 0; step < 3; ++step) {
    const std::uint64_t before = world().bytes_sent();
    for (const int group : ready_order(problem.num_groups, step)) {
      problem.fill(group, step);
      dawdle(step, group);
      sync.ready(group);
      sync.progress();
    }
    sync.finish();
    check_sums(problem, settings, step, what);
    if (settings.zero > 0) check_weights(problem, sync, step);
    BOOST_TEST(world().bytes_sent() - before ==
               data_parallel::bytes_per_step(problem.tensors, world().size(), world().rank(), settings, 1));
  }
  BOOST_TEST(sync.wait_seconds() >= 0);
  BOOST_TEST((world().size() == 1 || sync.busy_seconds() > 0));
}

BOOST_AUTO_TEST_CASE(sums_are_those_of_rank_order_bit_for_bit) {
  for (const int zero : {0, 1, 2})
    for (const std::int64_t bucket_bytes : {1, 1000, 8192, 1 << 20}) {
      if (bucket_bytes == 1 && zero != 1) continue;  // thousands of messages show nothing more
      check_steps({.bucket_bytes = std::max<std::int64_t>(bucket_bytes, 16 * world().size()), .zero = zero}, zero == 2,
                  "fp32");
    }
}

BOOST_AUTO_TEST_CASE(a_wire_of_bf16_rounds_every_contribution_once) {
  for (const int zero : {0, 1, 2})
    for (const std::int64_t bucket_bytes : {1000, 1 << 20})
      check_steps({.bucket_bytes = bucket_bytes, .zero = zero, .wire = Wire::bf16}, zero == 1, "bf16");
}

/// With 1, 2 or 3 ranks, and with one rank or all on a node, one level is left.
BOOST_AUTO_TEST_CASE(nodes_add_their_own_ranks_first) {
  for (const int ranks_per_node : {1, 2, world().size()})
    for (const int zero : {0, 1, 2})
      for (const Wire wire : {Wire::fp32, Wire::bf16})
        for (const std::int64_t bucket_bytes : {1000, 1 << 20})
          check_steps({.bucket_bytes = bucket_bytes, .zero = zero, .wire = wire, .ranks_per_node = ranks_per_node},
                      zero == 1, ranks_per_node == 2 ? "two levels" : "one level");
  if (world().size() != 4) return;
  for (const Wire wire : {Wire::fp32, Wire::bf16}) {  // and it matters
    const std::vector<float> plain = sum_in_rank_order(0, 0, 9900, wire),
                             nodes = sum_in_rank_order(0, 0, 9900, wire, 2);
    BOOST_TEST(!same_bits<float>(plain, nodes));
  }
}

BOOST_AUTO_TEST_CASE(mpi_reduces_within_rounding) {
  for (const int zero : {0, 1, 2})
    for (const std::int64_t bucket_bytes : {1000, 1 << 20})
      for (const int ranks_per_node : {0, 2})  // of the weights
        check_steps({.bucket_bytes = bucket_bytes, .zero = zero, .mpi_reduce = true, .ranks_per_node = ranks_per_node},
                    true, "mpi");
}

BOOST_AUTO_TEST_CASE(groups_share_gradient_memory_when_they_settle) {
  constexpr int kGroups = 4, kMicroBatches = 3;
  std::vector<SyncShape> shapes;
  for (int group = 0; group < kGroups; ++group) shapes.insert(shapes.end(), {{{50, 20}, group}, {{3}, group}});
  for (const bool mpi : {false, true})
    for (const Wire wire : {Wire::fp32, Wire::bf16})
      for (const std::int64_t bucket_bytes : {500, 1 << 20}) {
        if (mpi && wire == Wire::bf16) continue;
        const int width = bucket_bytes == 500 ? 2 : 1;  // ranks on a node
        const SyncSettings settings{
            .bucket_bytes = bucket_bytes, .zero = 2, .wire = wire, .mpi_reduce = mpi, .ranks_per_node = width};
        tensor::Device device(1);
        SyncProblem problem(shapes, true);
        for (std::size_t i = 4; i < shapes.size(); ++i)  // group g uses the memory of group g % 2
          problem.tensors[i].gradient = problem.tensors[i % 4].gradient;
        GradientSync sync(world(), device, problem.tensors, settings);
        for (int step = 0; step < 2; ++step) {
          const std::uint64_t before = world().bytes_sent();
          for (int micro = 0; micro < kMicroBatches; ++micro)
            for (int group = kGroups - 1; group >= 0; --group) {
              for (int other = group % 2; other < kGroups; other += 2) sync.settle(other);
              problem.fill(group, step * kMicroBatches + micro);
              dawdle(micro, group);
              sync.ready(group, micro == 0 ? Accumulate::no : Accumulate::yes);
            }
          sync.finish();
          sync.gather_weights();
          BOOST_TEST(world().bytes_sent() - before == data_parallel::bytes_per_step(problem.tensors, world().size(),
                                                                                    world().rank(), settings,
                                                                                    kMicroBatches));
          for (std::size_t i = 0; i < shapes.size(); ++i) {
            const std::int64_t size = shapes[i].shape.num_elements();
            std::vector<float> total = sum_in_rank_order(i, step * kMicroBatches, size, wire, width);
            std::vector<float> tolerance = order_tolerance(i, step * kMicroBatches, size);
            for (int micro = 1; micro < kMicroBatches; ++micro) {
              const std::vector<float> next = sum_in_rank_order(i, step * kMicroBatches + micro, size, wire, width);
              const std::vector<float> more = order_tolerance(i, step * kMicroBatches + micro, size);
              for (std::size_t e = 0; e < total.size(); ++e) {
                total[e] += next[e];
                tolerance[e] += more[e];
              }
            }
            const tensor::Range own = problem.own(i, world().rank());
            const std::span<const float> expected = part(total, own);
            const std::span<const float> got = problem.accumulators[i];
            if (mpi)
              for (std::size_t e = 0; e < got.size(); ++e)
                BOOST_REQUIRE(std::abs(got[e] - expected[e]) <= part(tolerance, own)[e]);
            else
              BOOST_TEST(same_bits(got, expected), "tensor " << i << ", bucket " << bucket_bytes << ", step " << step);
          }
        }
      }
}

BOOST_AUTO_TEST_CASE(what_is_not_ready_is_not_touched) {
  tensor::Device device(1);
  SyncProblem problem({{{500}, 0}, {{500}, 1}}, false);
  GradientSync sync(world(), device, problem.tensors, {.bucket_bytes = 400});
  std::fill(problem.gradients[1].begin(), problem.gradients[1].end(), 1.0f);
  sync.ready(1);
  std::fill(problem.gradients[0].begin(), problem.gradients[0].end(), 2.0f);
  for (int i = 0; i < 100; ++i) sync.progress();
  sync.ready(0);
  sync.finish();
  const auto ranks = static_cast<float>(world().size());
  BOOST_TEST(problem.gradients[0].front() == 2.0f * ranks);
  BOOST_TEST(problem.gradients[0].back() == 2.0f * ranks);
  BOOST_TEST(problem.gradients[1].back() == ranks);
}

BOOST_AUTO_TEST_CASE(the_fault_leaves_the_first_bucket_local) {
  for (const int zero : {0, 1, 2})
    for (const bool mpi : {false, true}) {
      const SyncSettings settings{.bucket_bytes = 2048,
                                  .zero = zero,
                                  .mpi_reduce = mpi,
                                  .fault = base::Fault::gradient_bucket,
                                  .ranks_per_node = zero == 1 ? 0 : 2};
      tensor::Device device(1);
      SyncProblem problem({{{64, 8}, 0}, {{64, 8}, 1}}, false);  // a bucket each
      GradientSync sync(world(), device, problem.tensors, settings);
      for (int step = 0; step < 2; ++step) {
        const std::uint64_t before = world().bytes_sent();
        for (const int group : {1, 0}) {
          problem.fill(group, step);
          sync.ready(group);
        }
        sync.finish();
        sync.gather_weights();
        BOOST_TEST(world().bytes_sent() - before ==
                   data_parallel::bytes_per_step(problem.tensors, world().size(), world().rank(), settings, 1));
        for (const std::size_t i : {0, 1}) {
          const auto first = static_cast<std::size_t>(problem.own(i, world().rank()).first);
          const float got = zero == 2 ? problem.accumulators[i][0] : problem.gradients[i][first];
          const float sum = sum_in_rank_order(i, step, 512, Wire::fp32)[first];
          const float local = contribution(i, world().rank(), step, 512, Wire::fp32)[first];
          if (i == 1)
            BOOST_TEST(got == local);
          else
            BOOST_TEST(std::abs(got - sum) <= order_tolerance(i, step, 512)[first]);
          if (world().size() > 1) BOOST_TEST(local != sum);
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(mistakes_of_callers_are_refused) {
  tensor::Device device(1);
  SyncProblem problem({{{8}, 0}, {{8}, 1}}, false);
  using Mistake = std::logic_error;
  BOOST_CHECK_THROW(GradientSync(world(), device, problem.tensors, {.wire = Wire::bf16, .mpi_reduce = true}), Mistake);
  GradientSync sync(world(), device, problem.tensors, {});
  sync.ready(1);
  BOOST_CHECK_THROW(sync.ready(1), Mistake);
  BOOST_CHECK_THROW(sync.finish(), Mistake);
  sync.ready(0);
  sync.finish();
  problem.tensors[0].accumulator = {};
  if (world().size() == 1)  // elsewhere another rank may own no row
    BOOST_CHECK_THROW(GradientSync(world(), device, problem.tensors, {.zero = 2}), Mistake);
}

}  // namespace
}  // namespace tessera::testing
