// SPDX-License-Identifier: Apache-2.0
// Operations on rows in bf16: LayerNorm, residual and dropout, cross-entropy. What they keep in float is held to the
// tolerances of rows_test.cpp.
#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

constexpr float kEpsilon = 1e-5f;
constexpr double kRow = 2e-6, kSums = 5e-6;
constexpr std::int64_t kWidths[] = {5, 33, 100, 768, 2048};

BOOST_AUTO_TEST_CASE(layernorm_in_bf16_equals_double_loops_rounded_once) {
  for (const std::int64_t H : kWidths)
    for (const std::int64_t R : {1, 3, 200}) {
      const std::string what = fmt::format("R {} H {}", R, H);
      Buffer x({R, H}, 1, 3.0f), gain({H}, 2), bias({H}, 3);
      Bf16Buffer dy({R, H}, 4);
      const Buffer dx_before({R, H}, 5), dgain_before({H}, 6), dbias_before({H}, 7);
      const auto out = with_any_threads(what, [&](tensor::Device& device) {
        Bf16Buffer y({R, H});
        Buffer mean({R}), rstd({R}), dx = dx_before, dgain = dgain_before, dbias = dbias_before;
        tensor::layernorm_forward(device, x.view(), gain.view(), bias.view(), kEpsilon, y.view(), mean.view(),
                                  rstd.view());
        tensor::layernorm_backward(device, dy.view(), x.view(), gain.view(), mean.view(), rstd.view(), dx.view(),
                                   dgain.view(), dbias.view());
        return std::vector{y.floats(), dx.values, dgain.values, dbias.values};
      });
      const double epsilon = kEpsilon;
      expect_rounded(out[0], reference::layernorm(x.doubles(), gain.doubles(), bias.doubles(), epsilon), kRow,
                     what + " y");
      Values dgain = dgain_before.doubles(), dbias = dbias_before.doubles(), dx = dx_before.doubles();
      const Values gradient =
          reference::layernorm_backward(dy.doubles(), x.doubles(), gain.doubles(), epsilon, dgain, dbias);
      for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += gradient[i];
      expect_near(out[1], dx, kRow, what + " dx");
      expect_near(out[2], dgain, kSums, what + " dgain");
      expect_near(out[3], dbias, kSums, what + " dbias");
    }
}

BOOST_AUTO_TEST_CASE(residual_in_bf16_adds_to_a_stream_in_float) {
  const std::vector<std::uint64_t> samples = {5, (std::uint64_t{1} << 40) + 3};
  for (const std::int64_t H : kWidths)
    for (const float rate : {0.0f, 0.3f}) {
      const std::int64_t T = 7, R = 2 * T;
      const std::string what = fmt::format("H {} rate {}", H, rate);
      const tensor::Dropout dropout{rate, 9, 21, samples};
      Buffer x({R, H}, 1), dy({R, H}, 2), gain({H}, 3), bias({H}, 4);
      Bf16Buffer branch({R, H}, 5);
      const auto out = with_any_threads(what, [&](tensor::Device& device) {
        Buffer sum({R, H}), plain_sum({R, H}), mean({R}), rstd({R});
        Bf16Buffer y({R, H}), dx({R, H});
        tensor::residual_forward(device, x.view(), branch.view(), dropout, plain_sum.view());
        tensor::residual_layernorm_forward(device, x.view(), branch.view(), dropout, gain.view(), bias.view(), kEpsilon,
                                           sum.view(), y.view(), mean.view(), rstd.view());
        tensor::dropout_backward(device, dy.view(), dropout, dx.view());
        return std::vector{plain_sum.values, sum.values, y.floats(), dx.floats()};
      });
      Values sum = x.doubles(), dx = dy.doubles();
      const Values added = branch.doubles();
      for (std::size_t i = 0; i < sum.size(); ++i) {
        const std::size_t row = i / static_cast<std::size_t>(H), column = i % static_cast<std::size_t>(H);
        const double factor = dropout_factor(dropout, samples[row / T], row % T * static_cast<std::size_t>(H) + column);
        dx[i] *= factor;
        sum[i] += factor * added[i];
      }
      expect_near(out[0], sum, 2e-7, what + " sum");
      BOOST_TEST((out[0] == out[1]));
      expect_rounded(out[2], reference::layernorm(sum, gain.doubles(), bias.doubles(), kEpsilon), kRow, what + " y");
      expect_rounded(out[3], dx, 2e-7, what + " gradient");
    }
}

BOOST_AUTO_TEST_CASE(cross_entropy_of_bf16_logits_equals_double_loops) {
  for (const std::int64_t V : {1, 2, 65, 1000, 50257}) {
    const std::int64_t R = 6;
    const Bf16Buffer logits({R, V}, 1, 5.0f);
    std::vector<std::int32_t> targets = {0, -1, static_cast<std::int32_t>(V - 1), static_cast<std::int32_t>(V / 2),
                                         0, -1};
    const float scale = 0.25f;
    const auto out = with_any_threads("cross-entropy", [&](tensor::Device& device) {
      Bf16Buffer only_forward = logits, gradient = logits;
      Buffer loss({R}), loss_again({R});
      const View ids(targets.data(), {R});
      tensor::cross_entropy_forward(device, only_forward.view(), ids, loss.view());
      tensor::cross_entropy_forward_backward(device, gradient.view(), ids, scale, loss_again.view());
      BOOST_TEST((only_forward.values == logits.values));  // the forward alone does not touch them
      return std::vector{loss.values, loss_again.values, gradient.floats()};
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
            static_cast<double>(scale) * (std::exp(row[i] - largest) / sum - (i == target ? 1.0 : 0.0));
    }
    expect_near(out[0], loss, 1e-6, "loss");
    expect_near(out[1], loss, 1e-6, "loss with gradient");
    expect_rounded(out[2], gradient, 3e-6, "gradient");
  }
}

}  // namespace
}  // namespace tessera::testing
