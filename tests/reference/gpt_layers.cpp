// SPDX-License-Identifier: Apache-2.0
#include "reference/gpt_layers.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

namespace tessera::reference {

Values linear(const Values& x, const Values& w, const Values& bias, std::size_t rows) {
  const std::size_t I = x.size() / rows, O = w.size() / I;
  Values y(rows * O);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < O; ++o) {
      double sum = bias.empty() ? 0.0 : bias[o];
      for (std::size_t i = 0; i < I; ++i) sum += x[r * I + i] * w[o * I + i];
      y[r * O + o] = sum;
    }
  }
  return y;
}

Values linear_backward(const Values& dy, const Values& x, const Values& w, std::size_t rows, Values& dw,
                       Values* dbias) {
  const std::size_t I = x.size() / rows, O = dy.size() / rows;
  Values dx(rows * I);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < O; ++o) {
      const double gradient = dy[r * O + o];
      for (std::size_t i = 0; i < I; ++i) {
        dx[r * I + i] += gradient * w[o * I + i];
        dw[o * I + i] += gradient * x[r * I + i];
      }
      if (dbias) (*dbias)[o] += gradient;
    }
  }
  return dx;
}

namespace {

struct RowMoments {
  double mean = 0, rstd = 0;
};

RowMoments moments(const double* row, std::size_t H, double epsilon) {
  double mean = 0, variance = 0;
  for (std::size_t h = 0; h < H; ++h) mean += row[h];
  mean /= static_cast<double>(H);
  for (std::size_t h = 0; h < H; ++h) variance += (row[h] - mean) * (row[h] - mean);
  variance /= static_cast<double>(H);
  return {mean, 1 / std::sqrt(variance + epsilon)};
}

}  // namespace

Values layernorm(const Values& x, const Values& gain, const Values& bias, double epsilon) {
  const std::size_t H = gain.size();
  Values y(x.size());
  for (std::size_t row = 0; row < x.size(); row += H) {
    const auto [mean, rstd] = moments(&x[row], H, epsilon);
    for (std::size_t h = 0; h < H; ++h) y[row + h] = gain[h] * (x[row + h] - mean) * rstd + bias[h];
  }
  return y;
}

// With n = (x - mean) rstd and g = dy gain:  dx = rstd (g - mean(g) - n mean(g n)).
Values layernorm_backward(const Values& dy, const Values& x, const Values& gain, double epsilon, Values& dgain,
                          Values& dbias) {
  const std::size_t H = gain.size();
  Values dx(x.size());
  for (std::size_t row = 0; row < x.size(); row += H) {
    const auto [mean, rstd] = moments(&x[row], H, epsilon);
    double mean_g = 0, mean_gn = 0;
    for (std::size_t h = 0; h < H; ++h) {
      const double n = (x[row + h] - mean) * rstd, g = dy[row + h] * gain[h];
      dgain[h] += dy[row + h] * n;
      dbias[h] += dy[row + h];
      mean_g += g / static_cast<double>(H);
      mean_gn += g * n / static_cast<double>(H);
    }
    for (std::size_t h = 0; h < H; ++h) {
      const double n = (x[row + h] - mean) * rstd, g = dy[row + h] * gain[h];
      dx[row + h] = rstd * (g - mean_g - n * mean_gn);
    }
  }
  return dx;
}

namespace {

constexpr double pi = std::numbers::pi;

[[noreturn]] void refuse(const std::string& name) {
  throw std::invalid_argument("no activation \"" + name + "\"");
}

}  // namespace

double activation(const std::string& name, double z) {
  if (name == "gelu_tanh") return 0.5 * z * (1 + std::tanh(std::sqrt(2 / pi) * (z + 0.044715 * z * z * z)));
  if (name == "gelu") return 0.5 * z * (1 + std::erf(z / std::sqrt(2.0)));
  if (name == "relu") return z > 0 ? z : 0;
  if (name == "silu") return z / (1 + std::exp(-z));
  refuse(name);
}

double activation_derivative(const std::string& name, double z) {
  if (name == "gelu_tanh") {
    const double t = std::tanh(std::sqrt(2 / pi) * (z + 0.044715 * z * z * z));
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * std::sqrt(2 / pi) * (1 + 3 * 0.044715 * z * z);
  }
  if (name == "gelu") {
    return 0.5 * (1 + std::erf(z / std::sqrt(2.0))) + z * std::exp(-0.5 * z * z) / std::sqrt(2 * pi);
  }
  if (name == "relu") return z > 0 ? 1 : 0;
  if (name == "silu") {
    const double s = 1 / (1 + std::exp(-z));
    return s + z * s * (1 - s);
  }
  refuse(name);
}

Attention attention(const Values& q, const Values& k, const Values& v, const AttentionSize& size) {
  const auto [B, A, T, D, window] = size;
  const double scale = 1 / std::sqrt(static_cast<double>(D));
  const auto at = [A, T, D](std::size_t b, std::size_t t, std::size_t a) { return ((b * T + t) * A + a) * D; };
  Attention result{Values(B * A * T * T, -std::numeric_limits<double>::infinity()), Values(B * A * T * T),
                   Values(q.size())};
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t a = 0; a < A; ++a) {
      for (std::size_t i = 0; i < T; ++i) {
        double* scores = &result.scores[((b * A + a) * T + i) * T];
        double* probabilities = &result.probabilities[((b * A + a) * T + i) * T];
        double largest = -std::numeric_limits<double>::infinity(), total = 0;
        for (std::size_t j = size.first_key(i); j <= i; ++j) {
          scores[j] = 0;
          for (std::size_t d = 0; d < D; ++d) scores[j] += scale * q[at(b, i, a) + d] * k[at(b, j, a) + d];
          largest = std::max(largest, scores[j]);
        }
        for (std::size_t j = size.first_key(i); j <= i; ++j) total += probabilities[j] = std::exp(scores[j] - largest);
        for (std::size_t j = size.first_key(i); j <= i; ++j) {
          probabilities[j] /= total;
          for (std::size_t d = 0; d < D; ++d) result.out[at(b, i, a) + d] += probabilities[j] * v[at(b, j, a) + d];
        }
      }
    }
  }
  return result;
}

// With p the probabilities of one query and dp_j = dout · v_j:  dscore_j = p_j (dp_j - sum_l p_l dp_l).
void attention_backward(const Values& dout, const Values& q, const Values& k, const Values& v, const Attention& forward,
                        const AttentionSize& size, Values& dq, Values& dk, Values& dv) {
  const auto [B, A, T, D, window] = size;
  const double scale = 1 / std::sqrt(static_cast<double>(D));
  const auto at = [A, T, D](std::size_t b, std::size_t t, std::size_t a) { return ((b * T + t) * A + a) * D; };
  dq.assign(q.size(), 0);
  dk.assign(k.size(), 0);
  dv.assign(v.size(), 0);
  for (std::size_t b = 0; b < B; ++b) {
    for (std::size_t a = 0; a < A; ++a) {
      for (std::size_t i = 0; i < T; ++i) {
        const double* p = &forward.probabilities[((b * A + a) * T + i) * T];
        Values dp(T);
        double dot = 0;
        for (std::size_t j = size.first_key(i); j <= i; ++j) {
          for (std::size_t d = 0; d < D; ++d) {
            dp[j] += dout[at(b, i, a) + d] * v[at(b, j, a) + d];
            dv[at(b, j, a) + d] += p[j] * dout[at(b, i, a) + d];
          }
          dot += p[j] * dp[j];
        }
        for (std::size_t j = size.first_key(i); j <= i; ++j) {
          const double dscore = p[j] * (dp[j] - dot);
          for (std::size_t d = 0; d < D; ++d) {
            dq[at(b, i, a) + d] += scale * dscore * k[at(b, j, a) + d];
            dk[at(b, j, a) + d] += scale * dscore * q[at(b, i, a) + d];
          }
        }
      }
    }
  }
}

}  // namespace tessera::reference
