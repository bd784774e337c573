// SPDX-License-Identifier: Apache-2.0
// Cross-entropy over a vocabulary that lies in parts.
#include <tuple>

#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

using Precisions = std::tuple<Buffer, Bf16Buffer>;

constexpr std::int64_t R = 7;
constexpr float kScale = 0.25f;

/// The first and the last entry, one in the middle, and ignored rows.
std::vector<std::int32_t> some_targets(std::int64_t V) {
  const auto last = static_cast<std::int32_t>(V - 1);
  return {0, -1, last, last / 2, 0, -1, last};
}

const std::vector<float>& floats_of(const Buffer& buffer) {
  return buffer.values;
}

std::vector<float> floats_of(const Bf16Buffer& buffer) {
  return buffer.floats();
}

/// Columns [first, first + count) of `from` [R, V].
template <class Logits>
Logits columns(const Logits& from, std::int64_t first, std::int64_t count) {
  Logits part({R, count});
  for (std::int64_t r = 0; r < R; ++r)
    std::copy_n(from.values.begin() + r * from.shape[1] + first, count, part.values.begin() + r * count);
  return part;
}

template <class Logits>
void put_columns(const Logits& part, std::int64_t first, Logits& to) {
  const std::int64_t count = part.shape[1];
  for (std::int64_t r = 0; r < R; ++r)
    std::copy_n(part.values.begin() + r * count, count, to.values.begin() + r * to.shape[1] + first);
}

/// Loss and gradient of all columns, cut where `cuts` says. All parts must have the same loss, and logits that are only
/// read if there is no scale.
template <class Logits>
Buffer combined(tensor::Device& device, const Logits& logits, View targets, const std::vector<std::int64_t>& cuts,
                Logits& gradient) {
  const auto P = static_cast<std::int64_t>(cuts.size()) - 1;
  Buffer statistics({P, 3, R}), loss({R});
  std::vector<Logits> parts;
  const auto first_of = [&](std::int64_t part) { return cuts[static_cast<std::size_t>(part)]; };
  for (std::int64_t p = 0; p < P; ++p) {
    parts.push_back(columns(logits, first_of(p), first_of(p + 1) - first_of(p)));
    tensor::cross_entropy_partial(device, parts.back().view(), targets, first_of(p),
                                  statistics.view().rows(p, 1).reshaped({3, R}));
  }
  for (std::int64_t p = 0; p < P; ++p) {
    Logits& part = parts[static_cast<std::size_t>(p)];
    const Logits before = part;
    Buffer mine({R}, 1), mine_again({R}, 2);  // overwritten
    tensor::cross_entropy_combine(device, part.view(), targets, first_of(p), statistics.view(), 0.0f, mine.view());
    BOOST_TEST((part.values == before.values), "logits of an evaluation");
    tensor::cross_entropy_combine(device, part.view(), targets, first_of(p), statistics.view(), kScale,
                                  mine_again.view());
    BOOST_TEST((mine.values == mine_again.values));
    BOOST_TEST((p == 0 || mine.values == loss.values), "loss of part " << p);
    loss = mine;
    put_columns(part, first_of(p), gradient);
  }
  return loss;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(statistics_of_a_part_equal_double_loops, Logits, Precisions) {
  for (const std::int64_t V : {1, 2, 65, 3000}) {
    const std::int64_t first = 40;
    Logits logits({R, V}, 1, 5.0f);
    std::vector<std::int32_t> targets = some_targets(V);
    for (std::int32_t& target : targets)
      if (target >= 0) target += static_cast<std::int32_t>(first);
    targets[0] = 39;                                    // of the part before
    targets[2] = static_cast<std::int32_t>(first + V);  // of the part behind
    const auto out = with_any_threads("statistics", [&](tensor::Device& device) {
      Buffer statistics({3, R}, 2);
      tensor::cross_entropy_partial(device, logits.view(), View(targets.data(), {R}), first, statistics.view());
      return std::vector<std::vector<float>>{statistics.values};
    });
    const Values x = logits.doubles();
    Values sums;
    for (std::int64_t r = 0; r < R; ++r) {
      const auto row = static_cast<std::size_t>(r), rows = static_cast<std::size_t>(R);
      const double* at = x.data() + r * V;
      const double largest = *std::max_element(at, at + V);
      BOOST_TEST(static_cast<double>(out[0][row]) == largest);
      double sum = 0;
      for (std::int64_t i = 0; i < V; ++i) sum += std::exp(at[i] - largest);
      sums.push_back(sum);
      const std::int64_t target = targets[row] - first;
      const bool mine = targets[row] >= 0 && target >= 0 && target < V;
      BOOST_TEST(static_cast<double>(out[0][2 * rows + row]) == (mine ? at[target] : 0.0));
    }
    expect_near(std::vector<float>(out[0].begin() + R, out[0].begin() + 2 * R), sums, 3e-5,
                "sums");  // 1024 roundings in one chain, without SIMD
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_part_has_the_bits_of_the_fused_operation, Logits, Precisions) {
  for (const std::int64_t V : {1, 2, 17, 65, 1000, 5025}) {
    const Logits logits({R, V}, 1, 5.0f);
    std::vector<std::int32_t> targets = some_targets(V);
    const View ids(targets.data(), {R});
    with_any_threads("one part", [&](tensor::Device& device) {
      Logits fused = logits, gradient({R, V});
      Buffer fused_loss({R});
      tensor::cross_entropy_forward_backward(device, fused.view(), ids, kScale, fused_loss.view());
      const Buffer loss = combined(device, logits, ids, {0, V}, gradient);
      BOOST_TEST((loss.values == fused_loss.values), "loss of " << V);
      BOOST_TEST((gradient.values == fused.values), "gradient of " << V);
      return std::vector{loss.values, floats_of(gradient)};
    });
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(parts_of_any_size_equal_double_loops, Logits, Precisions) {
  const std::vector<std::int64_t> cases[] = {{0, 1, 2}, {0, 33, 65}, {0, 1, 64, 65}, {0, 3000, 3001, 9000}};
  for (const std::vector<std::int64_t>& cuts : cases) {
    const std::int64_t V = cuts.back();
    const std::string what = fmt::format("V {} in {} parts", V, cuts.size() - 1);
    Logits logits({R, V}, 1, 5.0f);
    std::vector<std::int32_t> targets = some_targets(V);
    const View ids(targets.data(), {R});
    const auto out = with_any_threads(what, [&](tensor::Device& device) {
      Logits gradient({R, V});
      const Buffer loss = combined(device, logits, ids, cuts, gradient);
      return std::vector{loss.values, floats_of(gradient)};
    });
    const Values all = logits.doubles();
    Values loss(static_cast<std::size_t>(R)), gradient(all.size());
    for (std::int64_t r = 0; r < R; ++r) {
      const std::int32_t target = targets[static_cast<std::size_t>(r)];
      if (target < 0) continue;
      const double* row = all.data() + r * V;
      const double largest = *std::max_element(row, row + V);
      double sum = 0;
      for (std::int64_t i = 0; i < V; ++i) sum += std::exp(row[i] - largest);
      loss[static_cast<std::size_t>(r)] = largest + std::log(sum) - row[target];
      for (std::int64_t i = 0; i < V; ++i)
        gradient[static_cast<std::size_t>(r * V + i)] =
            static_cast<double>(kScale) * (std::exp(row[i] - largest) / sum - (i == target ? 1.0 : 0.0));
    }
    expect_near(out[0], loss, 1e-6, what + " loss");
    if (std::is_same_v<Logits, Buffer>)
      expect_near(out[1], gradient, 3e-6, what + " gradient");
    else
      expect_rounded(out[1], gradient, 3e-6, what + " gradient");
  }
}

/// Logits of one part are far above those of the other: exponentials of their difference overflow or vanish.
BOOST_AUTO_TEST_CASE(parts_far_apart_do_not_overflow) {
  tensor::Device device(1);
  std::vector<std::int32_t> targets = {0, 1, 2, 3, 0, 3, -1};
  for (const float first_part : {-200.0f, 200.0f}) {
    Buffer logits({R, 4}), gradient({R, 4});
    for (std::size_t i = 0; i < logits.values.size(); ++i) logits.values[i] = i % 4 < 2 ? first_part : -first_part;
    const Buffer loss = combined(device, logits, View(targets.data(), {R}), {0, 2, 4}, gradient);
    for (std::size_t r = 0; r + 1 < loss.values.size(); ++r) {
      const double above = (targets[r] < 2) == (first_part > 0) ? 0 : 400;
      BOOST_TEST(std::abs(static_cast<double>(loss.values[r]) - (above + std::log(2.0))) < 5e-5);
      for (std::size_t i = 0; i < 4; ++i) {
        const double softmax = (i < 2) == (first_part > 0) ? 0.5 : 0;
        const double expected = static_cast<double>(kScale) * (softmax - (static_cast<int>(i) == targets[r] ? 1 : 0));
        BOOST_TEST(std::abs(static_cast<double>(gradient.values[r * 4 + i]) - expected) < 1e-6);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_logit_of_any_part_that_is_not_finite_shows_in_the_loss) {
  tensor::Device device(1);
  std::vector<std::int32_t> targets = {0, 0, 5, 5, 9, 9, 9};
  for (const float bad : {std::nanf(""), INFINITY})
    for (const std::size_t place : {0u, 4u, 9u}) {
      Buffer logits({R, 10}, 1), gradient({R, 10});
      for (std::size_t r = 0; r < static_cast<std::size_t>(R); ++r) logits.values[r * 10 + place] = bad;
      Buffer statistics({3, 3, R}), loss({R});
      for (std::int64_t p = 0; p < 3; ++p) {
        Buffer part = columns(logits, 4 * p, p < 2 ? 4 : 2);
        tensor::cross_entropy_partial(device, part.view(), View(targets.data(), {R}), 4 * p,
                                      statistics.view().rows(p, 1).reshaped({3, R}));
      }
      Buffer part = columns(logits, 0, 4);
      tensor::cross_entropy_combine(device, part.view(), View(targets.data(), {R}), 0, statistics.view(), 0.0f,
                                    loss.view());
      for (const float value : loss.values) BOOST_TEST(!std::isfinite(value));
    }
}

}  // namespace
}  // namespace tessera::testing
