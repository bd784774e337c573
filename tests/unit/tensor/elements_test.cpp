// SPDX-License-Identifier: Apache-2.0
// Operations on elements: activation functions, whole buffers, AdamW.
#include "unit/tensor/fixture.hpp"

namespace tessera::testing {
namespace {

constexpr double kValue = 2e-6;  // the rounding of an exponent, times its size (10 where values still count)
constexpr std::int64_t kSizes[] = {1, 7, 64, 1000, 4096, 70001};

BOOST_AUTO_TEST_CASE(activations_and_slopes_equal_double_functions) {
  const std::pair<tensor::Activation, const char*> kinds[] = {{tensor::Activation::gelu_tanh, "gelu_tanh"},
                                                              {tensor::Activation::gelu, "gelu"},
                                                              {tensor::Activation::relu, "relu"},
                                                              {tensor::Activation::silu, "silu"}};
  for (const auto& [kind, name] : kinds) {
    Buffer z({6001}), dy({6001}, 1);
    for (std::size_t i = 0; i < z.values.size(); ++i) z.values[i] = (static_cast<float>(i) - 3000.0f) / 100.0f + 0.001f;
    const auto out = with_any_threads(name, [&, kind = kind](tensor::Device& device) {
      Buffer y({6001}), dz({6001}), in_place = dy;
      tensor::activation_forward(device, kind, z.view(), y.view());
      tensor::activation_backward(device, kind, z.view(), dy.view(), dz.view());
      tensor::activation_backward(device, kind, z.view(), in_place.view(), in_place.view());
      BOOST_TEST((in_place.values == dz.values));
      return std::vector{y.values, dz.values};
    });
    for (std::size_t i = 0; i < z.values.size(); ++i) {
      const double at = z.values[i], expected = reference::activation(name, at);
      BOOST_TEST(std::abs(out[0][i] - expected) <= kValue * (std::abs(expected) + 1e-3), name << " at " << at);
      const double slope = reference::activation_derivative(name, at) * static_cast<double>(dy.values[i]);
      BOOST_TEST(std::abs(out[1][i] - slope) <= 2e-6 * (std::abs(static_cast<double>(dy.values[i])) + 1e-3),
                 name << "' at " << at << ": " << out[1][i] << " instead of " << slope);
    }
  }
}

BOOST_AUTO_TEST_CASE(sums_of_whole_buffers) {
  for (const std::int64_t size : kSizes) {
    Buffer x({size}, 1);
    double sum = 0, squares = 0;
    for (const float value : x.values) {
      sum += static_cast<double>(value);
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    with_any_threads("sums", [&](tensor::Device& device) {
      const double ours = tensor::sum(device, x.view()), ours_of_squares = tensor::sum_of_squares(device, x.view());
      BOOST_TEST(std::abs(ours - sum) <= 1e-10 * squares);
      BOOST_TEST(std::abs(ours_of_squares - squares) <= 1e-12 * squares);
      std::vector<float> bits(4);
      std::memcpy(bits.data(), &ours, 8);
      std::memcpy(bits.data() + 2, &ours_of_squares, 8);
      return std::vector<std::vector<float>>{bits};
    });
  }
}

BOOST_AUTO_TEST_CASE(add_clamp_and_zero) {
  for (const std::int64_t size : kSizes) {
    Buffer x({size}, 1), other({size}, 2);
    x.values[0] = std::nanf("");
    if (size > 3) x.values[3] = -INFINITY;
    with_any_threads("buffers", [&](tensor::Device& device) {
      Buffer clamped = x, sum({size}), zero = x;
      tensor::clamp(device, clamped.view(), 0.7f);
      tensor::add(device, x.view(), other.view(), sum.view());
      tensor::fill_zero(device, zero.view());
      for (std::size_t i = 1; i < x.values.size(); ++i) {
        BOOST_REQUIRE(clamped.values[i] == std::clamp(x.values[i], -0.7f, 0.7f));
        BOOST_REQUIRE(sum.values[i] == x.values[i] + other.values[i]);
        BOOST_REQUIRE(zero.values[i] == 0.0f);
      }
      BOOST_TEST(std::isnan(clamped.values[0]));  // hidden by no limit
      BOOST_TEST(zero.values[0] == 0.0f);
      return std::vector<std::vector<float>>{clamped.values, sum.values};
    });
  }
}

BOOST_AUTO_TEST_CASE(adamw_equals_its_formula) {
  const tensor::AdamwStep step{1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 1 - 0.9f * 0.9f, 1 - 0.95f * 0.95f, 0.5f};
  for (const std::int64_t size : kSizes) {
    Buffer gradient({size}, 1), w0({size}, 2), m0({size}, 3), v0({size}, 4);
    for (float& value : v0.values) value = value * value;
    const auto out = with_any_threads("adamw", [&](tensor::Device& device) {
      Buffer w = w0, m = m0, v = v0;
      tensor::adamw(device, step, w.view(), gradient.view(), m.view(), v.view());
      return std::vector{w.values, m.values, v.values};
    });
    Values w = w0.doubles(), m = m0.doubles(), v = v0.doubles();
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = 0.5 * static_cast<double>(gradient.values[i]), b1 = step.beta1, b2 = step.beta2;
      m[i] = b1 * m[i] + (1 - b1) * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      w[i] -= static_cast<double>(step.lr) *
              (m[i] / step.correction1 / (std::sqrt(v[i] / step.correction2) + static_cast<double>(step.epsilon)) +
               static_cast<double>(step.weight_decay) * w[i]);
    }
    expect_near(out[0], w, 1e-6, "weights");
    expect_near(out[1], m, 1e-6, "first moments");
    expect_near(out[2], v, 1e-6, "second moments");
  }
}

}  // namespace
}  // namespace tessera::testing
