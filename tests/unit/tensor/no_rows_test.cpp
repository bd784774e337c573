// SPDX-License-Identifier: Apache-2.0
// A rank may have no rows of a small micro-batch: operations on rows then do nothing, also with views of no memory.
#include <tuple>

#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

using Precisions = std::tuple<Buffer, Bf16Buffer>;

constexpr std::int64_t H = 5, T = 7;

BOOST_AUTO_TEST_CASE_TEMPLATE(operations_on_no_rows_do_nothing, Rows, Precisions) {
  const std::vector<std::uint64_t> samples = {3, 4};
  for (const float rate : {0.0f, 0.5f})
    with_any_threads("no rows", [&](tensor::Device& device) {
      const tensor::Dropout dropout{rate, 2, 77, samples, T, 2 * T};
      Rows x({0, H}), y({0, H}), table({9, H}, 1);
      Buffer wide({0, H}), row({0}), gain({H}, 2), bias({H}, 3), gradient({9, H}, 4);
      const Buffer gain_before = gain, bias_before = bias, gradient_before = gradient;
      const View none(static_cast<std::int32_t*>(nullptr), {0});
      tensor::layernorm_forward(device, wide.view(), gain.view(), bias.view(), 1e-5f, y.view(), row.view(), row.view());
      tensor::layernorm_backward(device, y.view(), wide.view(), gain.view(), row.view(), row.view(), wide.view(),
                                 gain.view(), bias.view());
      tensor::residual_forward(device, wide.view(), x.view(), dropout, wide.view());
      tensor::residual_layernorm_forward(device, wide.view(), x.view(), dropout, gain.view(), bias.view(), 1e-5f,
                                         wide.view(), y.view(), row.view(), row.view());
      tensor::dropout_backward(device, wide.view(), dropout, x.view());
      tensor::dropout_backward(device, wide.view(), dropout, wide.view());
      tensor::activation_forward(device, tensor::Activation::gelu, x.view(), y.view());
      tensor::activation_backward(device, tensor::Activation::gelu, x.view(), y.view(), y.view());
      tensor::embedding_lookup(device, none, table.view(), 0, wide.view());
      tensor::embedding_positions(device, table.view(), T, 0, 2 * T, dropout, wide.view());
      tensor::embedding_backward_positions(device, wide.view(), T, 2 * T, gradient.view());
      tensor::embedding_backward_tokens(device, wide.view(), none, 0, gradient.view());
      Buffer statistics({3, 0}), all_statistics({2, 3, 0});
      tensor::cross_entropy_forward(device, x.view(), none, row.view());
      tensor::cross_entropy_forward_backward(device, x.view(), none, 0.1f, row.view());
      tensor::cross_entropy_partial(device, x.view(), none, 0, statistics.view());
      tensor::cross_entropy_combine(device, x.view(), none, 0, all_statistics.view(), 0.1f, row.view());
      tensor::sum_in_order(device, std::vector<View>{x.view(), y.view()}, wide.view());
      tensor::fill_zero(device, wide.view());
      BOOST_TEST(tensor::sum(device, row.view()) == 0.0);
      BOOST_TEST((gain.values == gain_before.values && bias.values == bias_before.values));
      BOOST_TEST((gradient.values == gradient_before.values));
      return std::vector<std::vector<float>>{};
    });
}

/// Products of no rows call nothing of oneDNN: they run without bf16 in hardware, too.
BOOST_AUTO_TEST_CASE_TEMPLATE(the_weight_gradient_of_no_rows_is_zero, Rows, Precisions) {
  tensor::Device device(2);
  Rows x({0, 3}), dy({0, 65}), w({65, 3}, 1);
  Buffer dw({65, 3}, 2), bias({65}, 3), dbias({65}, 4);
  const Buffer dw_before = dw, dbias_before = dbias;
  tensor::linear_forward(device, x.view(), w.view(), bias.view(), dy.view());
  tensor::linear_forward(device, x.view(), w.view(), {}, dy.view());
  tensor::linear_input_gradient(device, dy.view(), w.view(), x.view());
  tensor::linear_weight_gradient(device, dy.view(), x.view(), dw.view(), dbias.view(), tensor::Accumulate::yes);
  BOOST_TEST((dw.values == dw_before.values));
  tensor::linear_weight_gradient(device, dy.view(), x.view(), dw.view(), dbias.view(), tensor::Accumulate::no);
  BOOST_TEST((dw.values == std::vector<float>(65 * 3, 0.0f)));
  BOOST_TEST((dbias.values == dbias_before.values));
}

BOOST_AUTO_TEST_CASE(no_rows_of_a_view_are_a_view) {
  Buffer x({4, H}), nothing({0, H});
  const View none = x.view().rows(4, 0), of_nothing = nothing.view().rows(0, 0);
  BOOST_TEST((none.shape() == Shape{0, H} && none.num_elements() == 0));
  BOOST_TEST((of_nothing.shape() == Shape{0, H} && of_nothing.num_elements() == 0));
  BOOST_TEST((none.rows(0, 0).shape() == none.shape()));
}

}  // namespace
}  // namespace tessera::testing
