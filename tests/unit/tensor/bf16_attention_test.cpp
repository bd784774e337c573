// SPDX-License-Identifier: Apache-2.0
// Attention in bf16 on the masks of attention_test.cpp: windows, documents, a cache, dropout.
#include "unit/tensor/attention_plain.hpp"
#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

constexpr double kForward = 3e-6, kBackward = 1e-5;  // of float, as in attention_test.cpp

BOOST_AUTO_TEST_CASE(attention_in_bf16_equals_plain_loops_rounded_once) {
  for (const AttentionCase& x : attention_cases) {
    const PlainAttention plain(x);
    const std::string what = x.str();
    const std::int64_t H = x.A * x.D;
    Bf16Buffer q({x.B, x.queries, H}, 1, 1.5f), k({x.B, x.keys, H}, 2, 1.5f), v({x.B, x.keys, H}, 3),
        dout({x.B, x.queries, H}, 4);
    const AttentionInputs in{q.doubles(), k.doubles(), v.doubles()};
    const tensor::AttentionShape shape{x.B, x.A, x.D, x.queries, x.keys};
    const std::vector<std::int32_t> starts = plain.document_starts();
    const tensor::AttentionMask mask = plain.mask(starts);
    const auto out = with_any_threads(what, [&](tensor::Device& device) {
      const Shape query_shape{x.B, x.queries, H}, key_shape{x.B, x.keys, H};
      Bf16Buffer y(query_shape, 5), dq(query_shape, 6), dk(key_shape, 7), dv(key_shape, 8);
      Buffer lse({x.B, x.A, x.queries});
      const auto rows = [&](Bf16Buffer& buffer) { return source(buffer.values, buffer.shape[1], H, 0); };
      tensor::attention_forward(device, shape, rows(q), rows(k), rows(v), mask, plain.dropout, rows(y), lse.view());
      tensor::attention_backward(device, shape, rows(q), rows(k), rows(v), mask, plain.dropout, rows(y), rows(dout),
                                 lse.view(), rows(dq), rows(dk), rows(dv));
      return std::vector{y.floats(), dq.floats(), dk.floats(), dv.floats()};
    });
    expect_rounded(out[0], plain.forward(in), kForward, what + " out");
    const AttentionInputs gradient = plain.backward(in, dout.doubles(), Values(out[0].begin(), out[0].end()));
    expect_rounded(out[1], gradient.q, kBackward, what + " dq", 1.0);  // terms of about 1 cancel
    expect_rounded(out[2], gradient.k, kBackward, what + " dk", 1.0);
    expect_rounded(out[3], gradient.v, kBackward, what + " dv");
  }
}

BOOST_AUTO_TEST_CASE(sources_of_two_element_types_are_refused) {
  tensor::Device device(1);
  Buffer y({1, 4, 8}, 1);
  Bf16Buffer x({1, 4, 8}, 2);
  const auto wide = source(y.values, 4, 8, 0), narrow = source(x.values, 4, 8, 0);
  BOOST_CHECK_THROW(tensor::attention_forward(device, {1, 1, 8, 4, 4}, narrow, wide, narrow, {}, {}, narrow, {}),
                    std::logic_error);
  BOOST_CHECK_THROW(tensor::attention_forward(device, {1, 1, 8, 4, 4}, narrow, narrow, narrow, {}, {}, wide, {}),
                    std::logic_error);
}

}  // namespace
}  // namespace tessera::testing
