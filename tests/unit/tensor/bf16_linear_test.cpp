// SPDX-License-Identifier: Apache-2.0
#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

/// Products of bf16 are exact in float; the sums of K of them lose what those of linear_test.cpp lose.
double tolerance(std::int64_t depth) {
  return 3e-7 * std::sqrt(static_cast<double>(depth));
}

struct Extents {
  std::int64_t rows, in, out;
};

// One row, odd sizes (oneDNN multiplies pairs), edges of tiles, hidden sizes of real models, a vocabulary, uneven
// parts.
constexpr Extents kCases[] = {{7, 3, 65},      {3, 65, 1},     {257, 3, 5},     {1, 1, 1},     {1, 2, 1},
                              {2, 1, 3},       {5, 7, 3},      {33, 15, 45},    {64, 64, 64},  {33, 100, 17},
                              {1, 768, 2304},  {130, 48, 257}, {100, 40, 1024}, {1500, 33, 7}, {17, 1024, 1023},
                              {9, 2048, 1025}, {3, 64, 50257}, {70, 3072, 129}};

BOOST_AUTO_TEST_CASE(products_in_bf16_equal_double_loops_rounded_once) {
  if (skipped_without_bf16()) return;
  for (const Extents& x : kCases) {
    const std::string what = fmt::format("[{}, {}] to {}", x.rows, x.in, x.out);
    Bf16Buffer input({x.rows, x.in}, 1), weight({x.out, x.in}, 2), dy({x.rows, x.out}, 4);
    Buffer bias({x.out}, 3);
    const Buffer dw_before({x.out, x.in}, 5), dbias_before({x.out}, 6);
    const auto outputs = with_any_threads(what, [&](tensor::Device& device) {
      Bf16Buffer y({x.rows, x.out}, 7), y_plain({x.rows, x.out}, 8), dx({x.rows, x.in}, 9);  // overwritten
      Buffer dw = dw_before, dbias = dbias_before;                                           // added to
      tensor::linear_forward(device, input.view(), weight.view(), bias.view(), y.view());
      tensor::linear_forward(device, input.view(), weight.view(), {}, y_plain.view());
      tensor::linear_input_gradient(device, dy.view(), weight.view(), dx.view());
      tensor::linear_weight_gradient(device, dy.view(), input.view(), dw.view(), dbias.view(), tensor::Accumulate::yes);
      Buffer replaced = dw_before;
      tensor::linear_weight_gradient(device, dy.view(), input.view(), replaced.view(), {}, tensor::Accumulate::no);
      return std::vector{y.floats(), y_plain.floats(), dx.floats(), dw.values, dbias.values, replaced.values};
    });
    const auto rows = static_cast<std::size_t>(x.rows);
    expect_rounded(outputs[0], reference::linear(input.doubles(), weight.doubles(), bias.doubles(), rows),
                   tolerance(x.in), what + " y");
    expect_rounded(outputs[1], reference::linear(input.doubles(), weight.doubles(), {}, rows), tolerance(x.in),
                   what + " y without bias");
    Values dw = dw_before.doubles(), dbias = dbias_before.doubles();
    const Values dx = reference::linear_backward(dy.doubles(), input.doubles(), weight.doubles(), rows, dw, &dbias);
    expect_rounded(outputs[2], dx, tolerance(x.out), what + " dx");
    expect_near(outputs[3], dw, tolerance(x.rows), what + " dw");  // not rounded: gradients of parameters are float
    expect_near(outputs[4], dbias, tolerance(x.rows), what + " dbias");
    Values replaced(dw.size(), 0.0);
    reference::linear_backward(dy.doubles(), input.doubles(), weight.doubles(), rows, replaced, nullptr);
    expect_near(outputs[5], replaced, tolerance(x.rows), what + " dw replaced");
  }
}

BOOST_AUTO_TEST_CASE(one_operation_has_one_element_type) {
  tensor::Device device(1);
  Buffer x({4, 3}), w({5, 3}), y({4, 5});
  Bf16Buffer x16({4, 3}), w16({5, 3}), y16({4, 5});
  BOOST_CHECK_THROW(tensor::linear_forward(device, x16.view(), w.view(), {}, y16.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::linear_forward(device, x16.view(), w16.view(), {}, y.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::linear_weight_gradient(device, y16.view(), x.view(), w.view(), {}, tensor::Accumulate::no),
                    std::logic_error);
  BOOST_CHECK_THROW(
      tensor::linear_weight_gradient(device, y16.view(), x16.view(), w16.view(), {}, tensor::Accumulate::no),
      std::logic_error);
  BOOST_CHECK_THROW(tensor::round(device, x.view(), w16.view()), std::logic_error);
}

}  // namespace
}  // namespace tessera::testing
