// SPDX-License-Identifier: Apache-2.0
// Rounding to bf16 and back, and operations on elements in bf16, on all of its 65536 values where they have one input.
#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

Bf16Buffer all_bf16() {
  Bf16Buffer all({65536});
  for (std::size_t i = 0; i < all.values.size(); ++i) all.values[i] = {static_cast<std::uint16_t>(i)};
  return all;
}

BOOST_AUTO_TEST_CASE(every_bf16_value_survives_widening_and_rounding) {
  Bf16Buffer all = all_bf16();
  with_any_threads("widen and round", [&](tensor::Device& device) {
    Buffer wide({65536});
    Bf16Buffer again({65536});
    tensor::widen(device, all.view(), wide.view());
    tensor::round(device, wide.view(), again.view());
    for (std::size_t i = 0; i < all.values.size(); ++i) {
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(wide.values[i]);
      BOOST_REQUIRE(bits == static_cast<std::uint32_t>(i) << 16);
      const std::uint16_t quiet = std::isnan(wide.values[i]) ? 0x40 : 0;  // a signalling NaN may become quiet
      BOOST_REQUIRE((again.values[i].bits | quiet) == (all.values[i].bits | quiet));
    }
    return std::vector<std::vector<float>>{wide.values};
  });
}

// Between any two neighbours: next to the lower, next to the middle, the middle (a tie), next to the upper. This passes
// denormals, the overflow to infinity, both infinities and NaN.
BOOST_AUTO_TEST_CASE(rounding_takes_the_nearest_and_of_two_the_even) {
  constexpr std::uint32_t lower_halves[] = {0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
  Buffer x({65536 * 5});
  for (std::size_t i = 0; i < x.values.size(); ++i)
    x.values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i / 5) << 16 | lower_halves[i % 5]);
  with_any_threads("round", [&](tensor::Device& device) {
    Bf16Buffer y(x.shape);
    tensor::round(device, x.view(), y.view());
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      if (std::isnan(x.values[i]))
        BOOST_REQUIRE(std::isnan(widened(y.values[i])));
      else
        BOOST_REQUIRE_MESSAGE(y.values[i] == nearest_bf16(x.values[i]),
                              x.values[i] << " becomes " << widened(y.values[i]));
    }
    return std::vector<std::vector<float>>{y.floats()};
  });
}

BOOST_AUTO_TEST_CASE(activations_of_every_value_are_rounded_once) {
  const std::pair<tensor::Activation, const char*> kinds[] = {{tensor::Activation::gelu_tanh, "gelu_tanh"},
                                                              {tensor::Activation::gelu, "gelu"},
                                                              {tensor::Activation::relu, "relu"},
                                                              {tensor::Activation::silu, "silu"}};
  // Beyond 100 the functions are 0 or the identity.
  Bf16Buffer z({0});
  for (const base::Bf16 value : all_bf16().values)
    if (std::abs(widened(value)) <= 100.0f) z.values.push_back(value);
  z.shape = {static_cast<std::int64_t>(z.values.size())};
  Bf16Buffer dy(z.shape, 1);
  for (const auto& [kind, name] : kinds) {
    const auto out = with_any_threads(name, [&, kind = kind](tensor::Device& device) {
      Bf16Buffer y(z.shape), dz(z.shape), in_place = dy;
      tensor::activation_forward(device, kind, z.view(), y.view());
      tensor::activation_backward(device, kind, z.view(), dy.view(), dz.view());
      tensor::activation_backward(device, kind, z.view(), in_place.view(), in_place.view());
      BOOST_TEST((in_place.values == dz.values));
      return std::vector{y.floats(), dz.floats()};
    });
    for (std::size_t i = 0; i < z.values.size(); ++i) {
      const double at = widened(z.values[i]), slope = reference::activation_derivative(name, at);
      const double value = reference::activation(name, at), dz = slope * static_cast<double>(widened(dy.values[i]));
      // What elements_test.cpp allows in float, and the rounding.
      BOOST_TEST(std::abs(out[0][i] - value) <= 0x1p-8 * std::abs(value) + 2e-6 * (std::abs(value) + 1e-3),
                 name << " at " << at << ": " << out[0][i] << " instead of " << value);
      BOOST_TEST(std::abs(out[1][i] - dz) <= 0x1p-8 * std::abs(dz) + 2e-6 * (std::abs(widened(dy.values[i])) + 1e-3),
                 name << "' at " << at << ": " << out[1][i] << " instead of " << dz);
    }
  }
}

BOOST_AUTO_TEST_CASE(adamw_rounds_the_weights_it_writes) {
  const tensor::AdamwStep step{1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 1 - 0.9f * 0.9f, 1 - 0.95f * 0.95f, 0.5f};
  for (const std::int64_t size : {1, 7, 4096, 70001}) {
    Buffer gradient({size}, 1), w0({size}, 2), m0({size}, 3), v0({size}, 4);
    for (float& value : v0.values) value = value * value;
    with_any_threads("adamw", [&](tensor::Device& device) {
      Buffer w = w0, m = m0, v = v0, plain = w0, plain_m = m0, plain_v = v0;
      Bf16Buffer rounded({size});
      tensor::adamw(device, step, plain.view(), gradient.view(), plain_m.view(), plain_v.view());
      tensor::adamw(device, step, w.view(), gradient.view(), m.view(), v.view(), rounded.view());
      BOOST_TEST((w.values == plain.values));  // the masters do not notice
      BOOST_TEST((rounded.values == Bf16Buffer(w).values));
      return std::vector{w.values, rounded.floats()};
    });
  }
}

}  // namespace
}  // namespace tessera::testing
