// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/matmul.hpp"
#include "unit/tensor/fixture.hpp"

namespace tessera::testing {
namespace {

/// Sums of K products in single precision, in some order: sqrt(K) roundings of 6e-8, times five.
double tolerance(std::int64_t depth) {
  return 3e-7 * std::sqrt(static_cast<double>(depth));
}

struct Extents {
  std::int64_t rows, in, out;
};

// Edges of tiles, one row, steps that are multiples of 1024 floats, sums longer than any block, uneven parts.
constexpr Extents kCases[] = {{7, 3, 65},     {3, 65, 1},      {2, 1, 3},        {257, 3, 5},    {1, 1, 1},
                              {5, 7, 3},      {33, 100, 17},   {64, 64, 64},     {1, 768, 2304}, {130, 48, 257},
                              {24, 1024, 40}, {100, 40, 1024}, {48, 3072, 2048}, {1500, 33, 70}};

BOOST_AUTO_TEST_CASE(forward_and_both_gradients_equal_double_loops) {
  for (const Extents& x : kCases) {
    const std::string what = fmt::format("[{}, {}] to {}", x.rows, x.in, x.out);
    Buffer input({x.rows, x.in}, 1), weight({x.out, x.in}, 2), bias({x.out}, 3), dy({x.rows, x.out}, 4);
    const Buffer dw_before({x.out, x.in}, 5), dbias_before({x.out}, 6);
    const auto outputs = with_any_threads(what, [&](tensor::Device& device) {
      Buffer y({x.rows, x.out}, 7), y_plain({x.rows, x.out}, 8), dx({x.rows, x.in}, 9);  // overwritten
      Buffer dw = dw_before, dbias = dbias_before;                                       // added to
      tensor::linear_forward(device, input.view(), weight.view(), bias.view(), y.view());
      tensor::linear_forward(device, input.view(), weight.view(), {}, y_plain.view());
      tensor::linear_input_gradient(device, dy.view(), weight.view(), dx.view());
      tensor::linear_weight_gradient(device, dy.view(), input.view(), dw.view(), dbias.view(), tensor::Accumulate::yes);
      Buffer replaced = dw_before;
      tensor::linear_weight_gradient(device, dy.view(), input.view(), replaced.view(), {}, tensor::Accumulate::no);
      return std::vector{y.values, y_plain.values, dx.values, dw.values, dbias.values, replaced.values};
    });
    const auto rows = static_cast<std::size_t>(x.rows);
    expect_near(outputs[0], reference::linear(input.doubles(), weight.doubles(), bias.doubles(), rows), tolerance(x.in),
                what + " y");
    expect_near(outputs[1], reference::linear(input.doubles(), weight.doubles(), {}, rows), tolerance(x.in),
                what + " y without bias");
    Values dw = dw_before.doubles(), dbias = dbias_before.doubles();
    const Values dx = reference::linear_backward(dy.doubles(), input.doubles(), weight.doubles(), rows, dw, &dbias);
    expect_near(outputs[2], dx, tolerance(x.out), what + " dx");
    Values replaced(dw.size(), 0.0);
    reference::linear_backward(dy.doubles(), input.doubles(), weight.doubles(), rows, replaced, nullptr);
    expect_near(outputs[5], replaced, tolerance(x.rows), what + " dw replaced");
    expect_near(outputs[3], dw, tolerance(x.rows), what + " dw");
    expect_near(outputs[4], dbias, tolerance(x.rows), what + " dbias");
  }
}

BOOST_AUTO_TEST_CASE(tiles_are_chosen_by_extents_and_never_empty) {
  for (std::int64_t m = 1; m < 5000; m = m * 3 / 2 + 1)
    for (std::int64_t n = 1; n < 60000; n = n * 5 / 3 + 1) {
      for (const bool transposed : {false, true}) {
        const tensor::cpu::ProductTile tile = tensor::cpu::choose_tile(m, n, transposed);
        BOOST_TEST((tile.rows >= 1 && tile.rows <= 1024 && tile.columns >= 1 && tile.columns <= 768));
        BOOST_TEST((tile.rows <= m && tile.columns <= n));
      }
    }
}

BOOST_AUTO_TEST_CASE(shapes_that_do_not_fit_are_errors_of_the_programmer) {
  tensor::Device device(1);
  Buffer x({4, 3}), w({5, 3}), y({4, 6}), none({0});
  BOOST_CHECK_THROW(tensor::linear_forward(device, x.view(), w.view(), {}, y.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::linear_input_gradient(device, y.view(), w.view(), x.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::add(device, x.view(), y.view(), x.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::layernorm_forward(device, x.view(), w.view(), w.view(), 1e-5f, x.view(), {}, {}),
                    std::logic_error);
}

}  // namespace
}  // namespace tessera::testing
