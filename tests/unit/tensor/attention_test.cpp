// SPDX-License-Identifier: Apache-2.0
// Tiled attention against plain loops over the whole matrix of scores, written for any mask, offset and dropout; those
// loops are held against finite differences of themselves.
#include "unit/tensor/fixture.hpp"

namespace tessera::testing {
namespace {

constexpr double kForward = 3e-6, kBackward = 1e-5;  // exp of scores up to 10 and sums over up to 300 keys

struct Case {
  std::int64_t B, A, D, queries, keys;
  bool causal;
  float rate;
  std::int64_t window = 0;    // 0: none
  std::int64_t document = 0;  // tokens of a document, the last of which may be cut; 0: one document
};

struct Inputs {
  Values q, k, v;  // [B, queries or keys, A, D]
};

struct Plain {
  const Case& x;
  tensor::Dropout dropout;
  std::vector<std::uint64_t> samples;

  explicit Plain(const Case& size) : x(size) {
    for (std::int64_t b = 0; b < x.B; ++b) samples.push_back(static_cast<std::uint64_t>(100 + b));
    dropout = {x.rate, 4, 5, samples};
  }
  std::size_t at(std::int64_t rows, std::int64_t b, std::int64_t t, std::int64_t a, std::int64_t d) const {
    return static_cast<std::size_t>(((b * rows + t) * x.A + a) * x.D + d);
  }
  std::int64_t visible(std::int64_t query) const { return x.causal ? x.keys - x.queries + query + 1 : x.keys; }
  /// Documents of sequence b begin b keys later than those of sequence 0.
  std::int64_t document_start(std::int64_t b, std::int64_t query) const {
    const std::int64_t position = visible(query) - 1;
    return x.document == 0 || position < b ? 0 : (position - b) / x.document * x.document + b;
  }
  bool seen(std::int64_t b, std::int64_t query, std::int64_t key) const {
    return key < visible(query) && (x.window == 0 || key >= visible(query) - x.window) &&
           key >= document_start(b, query);
  }
  double factor(std::int64_t b, std::int64_t a, std::int64_t q, std::int64_t k) const {
    return dropout_factor(dropout, samples[static_cast<std::size_t>(b)],
                          static_cast<std::uint64_t>((a * x.queries + q) * x.keys + k));
  }
  Values probabilities(const Inputs& in, std::int64_t b, std::int64_t a, std::int64_t q) const {
    Values p(static_cast<std::size_t>(visible(q)));
    for (std::size_t j = 0; j < p.size(); ++j)
      for (std::int64_t d = 0; d < x.D; ++d)
        p[j] += in.q[at(x.queries, b, q, a, d)] * in.k[at(x.keys, b, static_cast<std::int64_t>(j), a, d)];
    for (std::size_t j = 0; j < p.size(); ++j)
      if (!seen(b, q, static_cast<std::int64_t>(j))) p[j] = -INFINITY;
    const double largest = *std::max_element(p.begin(), p.end()), scale = 1 / std::sqrt(static_cast<double>(x.D));
    double sum = 0;
    for (double& value : p) sum += value = std::exp(scale * (value - largest));
    for (double& value : p) value /= sum;
    return p;
  }
  Values forward(const Inputs& in) const {
    Values out(in.q.size(), 0.0);
    each([&](std::int64_t b, std::int64_t a, std::int64_t q) {
      const Values p = probabilities(in, b, a, q);
      for (std::size_t j = 0; j < p.size(); ++j) {
        const auto key = static_cast<std::int64_t>(j);
        for (std::int64_t d = 0; d < x.D; ++d)
          out[at(x.queries, b, q, a, d)] += p[j] * factor(b, a, q, key) * in.v[at(x.keys, b, key, a, d)];
      }
    });
    return out;
  }
  Inputs backward(const Inputs& in, const Values& dout) const {
    Inputs g{Values(in.q.size()), Values(in.k.size()), Values(in.v.size())};
    const double scale = 1 / std::sqrt(static_cast<double>(x.D));
    each([&](std::int64_t b, std::int64_t a, std::int64_t q) {
      const Values p = probabilities(in, b, a, q);
      Values dp(p.size());
      double mean = 0;
      for (std::size_t j = 0; j < p.size(); ++j) {
        const auto key = static_cast<std::int64_t>(j);
        const double m = factor(b, a, q, key);
        for (std::int64_t d = 0; d < x.D; ++d) {
          dp[j] += m * dout[at(x.queries, b, q, a, d)] * in.v[at(x.keys, b, key, a, d)];
          g.v[at(x.keys, b, key, a, d)] += p[j] * m * dout[at(x.queries, b, q, a, d)];
        }
        mean += p[j] * dp[j];
      }
      for (std::size_t j = 0; j < p.size(); ++j)
        for (std::int64_t d = 0; d < x.D; ++d) {
          const std::size_t key = at(x.keys, b, static_cast<std::int64_t>(j), a, d), query = at(x.queries, b, q, a, d);
          g.q[query] += scale * p[j] * (dp[j] - mean) * in.k[key];
          g.k[key] += scale * p[j] * (dp[j] - mean) * in.q[query];
        }
    });
    return g;
  }

 private:
  template <class Visit>
  void each(Visit visit) const {
    for (std::int64_t b = 0; b < x.B; ++b)
      for (std::int64_t a = 0; a < x.A; ++a)
        for (std::int64_t q = 0; q < x.queries; ++q) visit(b, a, q);
  }
};

BOOST_AUTO_TEST_CASE(plain_gradients_equal_finite_differences) {
  const Case x{2, 2, 3, 4, 6, true, 0.4f, 3, 4};
  const Plain plain(x);
  Inputs in{Buffer({2, 4, 2, 3}, 1).doubles(), Buffer({2, 6, 2, 3}, 2).doubles(), Buffer({2, 6, 2, 3}, 3).doubles()};
  const Values dout = Buffer({2, 4, 2, 3}, 4).doubles();
  const Inputs gradient = plain.backward(in, dout);
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

tensor::AttentionSource source(std::vector<float>& values, std::int64_t rows, std::int64_t row_stride,
                               std::int64_t first) {
  return {values.data() + first, rows * row_stride, row_stride};
}

BOOST_AUTO_TEST_CASE(tiled_attention_equals_plain_loops) {
  const Case cases[] = {{1, 1, 8, 1, 1, true, 0},
                        {2, 3, 24, 7, 7, true, 0},
                        {1, 2, 64, 97, 97, true, 0},
                        {2, 2, 32, 64, 64, true, 0},
                        {1, 2, 80, 200, 200, true, 0.2f},
                        {1, 3, 5, 100, 100, true, 0.5f},
                        {1, 2, 64, 1, 300, true, 0},
                        {2, 2, 16, 5, 101, true, 0},
                        {1, 2, 16, 130, 150, true, 0},
                        {2, 2, 24, 50, 130, false, 0},
                        {1, 1, 128, 96, 192, false, 0.1f},
                        // Windows below, at and above a block; documents; both; a window behind a key-value cache.
                        {1, 2, 16, 300, 300, true, 0, 1},
                        {2, 1, 16, 300, 300, true, 0.2f, 50},
                        {1, 2, 32, 400, 400, true, 0, 96},
                        {1, 1, 16, 250, 250, true, 0, 1000},
                        {2, 2, 16, 230, 230, true, 0, 0, 70},
                        {2, 1, 24, 330, 330, true, 0.1f, 64, 90},
                        {1, 2, 64, 1, 300, true, 0, 40},
                        {1, 1, 16, 30, 290, true, 0, 100}};
  for (const Case& x : cases) {
    const Plain plain(x);
    const std::string what = fmt::format("B {} A {} D {} queries {} keys {} {} window {} documents of {}", x.B, x.A,
                                         x.D, x.queries, x.keys, x.causal ? "causal" : "full", x.window, x.document);
    // Queries stand in rows of width 3H as a packed product has them, keys and values in rows of their own.
    const std::int64_t H = x.A * x.D;
    Buffer q_packed({x.B, x.queries, 3 * H}, 1, 1.5f), k({x.B, x.keys, H}, 2, 1.5f), v({x.B, x.keys, H}, 3),
        dout({x.B, x.queries, H}, 4);
    Inputs in{{}, k.doubles(), v.doubles()};
    for (std::int64_t r = 0; r < x.B * x.queries; ++r)
      for (std::int64_t i = 0; i < H; ++i) in.q.push_back(q_packed.values[static_cast<std::size_t>(r * 3 * H + H + i)]);
    const tensor::AttentionShape shape{x.B, x.A, x.D, x.queries, x.keys};
    std::vector<std::int32_t> starts;  // [B, queries]
    for (std::int64_t b = 0; b < x.B; ++b)
      for (std::int64_t t = 0; t < x.queries; ++t)
        starts.push_back(static_cast<std::int32_t>(plain.document_start(b, t)));
    const tensor::AttentionMask mask{x.causal ? tensor::MaskKind::causal : tensor::MaskKind::full,
                                     x.causal ? x.keys - x.queries : 0, x.window,
                                     x.document ? View(starts.data(), Shape{x.B, x.queries}) : View{}};
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
    const Inputs gradient = plain.backward(in, dout.doubles());
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
  const Case x{1, 1, D, T, T, true, 0};
  expect_near(y.values, Plain(x).forward({q.doubles(), k.doubles(), v.doubles()}), 2e-4, "out");  // scores to 3000
}

}  // namespace
}  // namespace tessera::testing
