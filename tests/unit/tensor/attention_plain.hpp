// SPDX-License-Identifier: Apache-2.0
// Attention in plain loops over the whole matrix of scores, written for any mask, offset and dropout.
#pragma once

#include "unit/tensor/fixture.hpp"

namespace tessera::testing {

struct AttentionCase {
  std::int64_t B, A, D, queries, keys;
  bool causal;
  float rate;
  std::int64_t window = 0;    // 0: none
  std::int64_t document = 0;  // tokens of a document, the last of which may be cut; 0: one document

  std::string str() const {
    return fmt::format("B {} A {} D {} queries {} keys {} {} window {} documents of {}", B, A, D, queries, keys,
                       causal ? "causal" : "full", window, document);
  }
};

struct AttentionInputs {
  Values q, k, v;  // [B, queries or keys, A, D]
};

struct PlainAttention {
  const AttentionCase& x;
  tensor::Dropout dropout;
  std::vector<std::uint64_t> samples;

  explicit PlainAttention(const AttentionCase& size) : x(size) {
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
  std::vector<std::int32_t> document_starts() const {  // [B, queries]
    std::vector<std::int32_t> starts;
    for (std::int64_t b = 0; b < x.B; ++b)
      for (std::int64_t t = 0; t < x.queries; ++t) starts.push_back(static_cast<std::int32_t>(document_start(b, t)));
    return starts;
  }
  /// `starts` [B, queries] must outlive the mask.
  tensor::AttentionMask mask(const std::vector<std::int32_t>& starts) const {
    return {x.causal ? tensor::MaskKind::causal : tensor::MaskKind::full, x.causal ? x.keys - x.queries : 0, x.window,
            x.document ? View(const_cast<std::int32_t*>(starts.data()), Shape{x.B, x.queries}) : View{}};
  }
  bool seen(std::int64_t b, std::int64_t query, std::int64_t key) const {
    return key < visible(query) && (x.window == 0 || key >= visible(query) - x.window) &&
           key >= document_start(b, query);
  }
  double factor(std::int64_t b, std::int64_t a, std::int64_t q, std::int64_t k) const {
    return dropout_factor(dropout, samples[static_cast<std::size_t>(b)],
                          static_cast<std::uint64_t>((a * x.queries + q) * x.keys + k));
  }
  Values probabilities(const AttentionInputs& in, std::int64_t b, std::int64_t a, std::int64_t q) const {
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
  Values forward(const AttentionInputs& in) const {
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
  /// `out`: what forward gave, which a run in bf16 has rounded. The mean slope of a row of scores is dout · out.
  AttentionInputs backward(const AttentionInputs& in, const Values& dout, const Values& out) const {
    AttentionInputs g{Values(in.q.size()), Values(in.k.size()), Values(in.v.size())};
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
      }
      for (std::int64_t d = 0; d < x.D; ++d) mean += dout[at(x.queries, b, q, a, d)] * out[at(x.queries, b, q, a, d)];
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

inline const AttentionCase attention_cases[] = {
    {1, 1, 8, 1, 1, true, 0},
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

/// Rows that begin at column `first` of a packed buffer.
template <class T>
tensor::AttentionSource source(std::vector<T>& values, std::int64_t rows, std::int64_t row_stride, std::int64_t first) {
  return {values.data() + first, rows * row_stride, row_stride, base::DTypeOf<T>::value};
}

}  // namespace tessera::testing
