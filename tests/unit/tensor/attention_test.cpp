// SPDX-License-Identifier: Apache-2.0
// Tiled attention against plain loops over the whole matrix of scores, written for any mask, offset and dropout; those
// loops are held against finite differences of themselves.
#include "unit/tensor/attention_plain.hpp"

namespace tessera::testing {
namespace {

constexpr double kForward = 3e-6, kBackward = 1e-5;  // exp of scores up to 10 and sums over up to 300 keys

BOOST_AUTO_TEST_CASE(plain_gradients_equal_finite_differences) {
  const AttentionCase x{2, 2, 3, 4, 6, true, 0.4f, 3, 4};
  const PlainAttention plain(x);
  AttentionInputs in{Buffer({2, 4, 2, 3}, 1).doubles(), Buffer({2, 6, 2, 3}, 2).doubles(),
                     Buffer({2, 6, 2, 3}, 3).doubles()};
  const Values dout = Buffer({2, 4, 2, 3}, 4).doubles();
  const AttentionInputs gradient = plain.backward(in, dout, plain.forward(in));
  const auto loss = [&] {
    const Values out = plain.forward(in);
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
    return sum;
  };
  const auto check = [&](Values& values, const Values& expected) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double before = values[i], h = 1e-5;
      values[i] = before + h;
      const double above = loss();
      values[i] = before - h;
      const double below = loss();
      values[i] = before;
      BOOST_TEST(std::abs((above - below) / (2 * h) - expected[i]) < 1e-8);
    }
  };
  check(in.q, gradient.q);
  check(in.k, gradient.k);
  check(in.v, gradient.v);
}

BOOST_AUTO_TEST_CASE(tiled_attention_equals_plain_loops) {
  for (const AttentionCase& x : attention_cases) {
    const PlainAttention plain(x);
    const std::string what = x.str();
    // Queries stand in rows of width 3H as a packed product has them, keys and values in rows of their own.
    const std::int64_t H = x.A * x.D;
    Buffer q_packed({x.B, x.queries, 3 * H}, 1, 1.5f), k({x.B, x.keys, H}, 2, 1.5f), v({x.B, x.keys, H}, 3),
        dout({x.B, x.queries, H}, 4);
    AttentionInputs in{{}, k.doubles(), v.doubles()};
    for (std::int64_t r = 0; r < x.B * x.queries; ++r)
      for (std::int64_t i = 0; i < H; ++i) in.q.push_back(q_packed.values[static_cast<std::size_t>(r * 3 * H + H + i)]);
    const tensor::AttentionShape shape{x.B, x.A, x.D, x.queries, x.keys};
    const std::vector<std::int32_t> starts = plain.document_starts();
    const tensor::AttentionMask mask = plain.mask(starts);
    const auto out = with_any_threads(what, [&](tensor::Device& device) {
      Buffer y({x.B, x.queries, H}, 5), lse({x.B, x.A, x.queries}), dq({x.B, x.queries, H}, 6), dk({x.B, x.keys, H}, 7),
          dv({x.B, x.keys, H}, 8), y_alone({x.B, x.queries, H});
      const auto q = source(q_packed.values, x.queries, 3 * H, H), keys = source(k.values, x.keys, H, 0),
                 values = source(v.values, x.keys, H, 0);
      const auto at = [&](Buffer& buffer, std::int64_t rows) { return source(buffer.values, rows, H, 0); };
      tensor::attention_forward(device, shape, q, keys, values, mask, plain.dropout, at(y, x.queries), lse.view());
      tensor::attention_forward(device, shape, q, keys, values, mask, plain.dropout, at(y_alone, x.queries), {});
      BOOST_TEST((y.values == y_alone.values));
      tensor::attention_backward(device, shape, q, keys, values, mask, plain.dropout, at(y, x.queries),
                                 at(dout, x.queries), lse.view(), at(dq, x.queries), at(dk, x.keys), at(dv, x.keys));
      return std::vector{y.values, dq.values, dk.values, dv.values};
    });
    expect_near(out[0], plain.forward(in), kForward, what + " out");
    const AttentionInputs gradient = plain.backward(in, dout.doubles(), plain.forward(in));
    // Terms of dq and dk are about 1 and cancel, wholly where a query sees one key only.
    expect_near(out[1], gradient.q, kBackward, what + " dq", 1.0);
    expect_near(out[2], gradient.k, kBackward, what + " dk", 1.0);
    expect_near(out[3], gradient.v, kBackward, what + " dv");
  }
}

BOOST_AUTO_TEST_CASE(large_scores_do_not_overflow) {
  tensor::Device device(2);
  const std::int64_t T = 120, D = 16;
  Buffer q({1, T, D}, 1, 40.0f), k({1, T, D}, 2, 40.0f), v({1, T, D}, 3), y({1, T, D}), lse({1, 1, T});
  const auto at = [&](Buffer& buffer) { return source(buffer.values, T, D, 0); };
  tensor::attention_forward(device, {1, 1, D, T, T}, at(q), at(k), at(v), {}, {}, at(y), lse.view());
  BOOST_TEST(std::all_of(y.values.begin(), y.values.end(), [](float value) { return std::isfinite(value); }));
  const AttentionCase x{1, 1, D, T, T, true, 0};
  expect_near(y.values, PlainAttention(x).forward({q.doubles(), k.doubles(), v.doubles()}), 2e-4,
              "out");  // scores to 3000
}

}  // namespace
}  // namespace tessera::testing
