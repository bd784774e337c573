// SPDX-License-Identifier: Apache-2.0
// The layers of a GPT in double precision and plain loops: the specification that fast kernels are tested against.
// Tensors are row-major vectors; dimension letters are those of tensor/shape.hpp. Nothing here uses code of src/.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tessera::reference {

using Values = std::vector<double>;

/// y [R, O] = x [R, I] wᵀ + bias, w [O, I], bias [O] (empty: none).
Values linear(const Values& x, const Values& w, const Values& bias, std::size_t rows);
/// dx [R, I] = dy w;  dw += dyᵀ x;  dbias += column sums of dy (nullptr: none).
Values linear_backward(const Values& dy, const Values& x, const Values& w, std::size_t rows, Values& dw, Values* dbias);

/// y = gain (x - mean) / sqrt(var + eps) + bias in each row of [R, H], var = mean of squared differences.
Values layernorm(const Values& x, const Values& gain, const Values& bias, double epsilon);
/// Gradient of x; dgain +=, dbias +=.
Values layernorm_backward(const Values& dy, const Values& x, const Values& gain, double epsilon, Values& dgain,
                          Values& dbias);

/// f(z) for "gelu_tanh", "gelu", "relu" or "silu"; throws std::invalid_argument for another name.
double activation(const std::string& name, double z);
/// f'(z); relu'(0) = 0.
double activation_derivative(const std::string& name, double z);

struct AttentionSize {
  std::size_t batch, heads, length, head_dim;  // B, A, T, D
  std::size_t window = 0;                      // nearest keys that a query sees, its own among them; 0: all of the past

  std::size_t first_key(std::size_t query) const { return window > 0 && query >= window ? query - window + 1 : 0; }
};

/// Causal self-attention of q, k, v [B, T, A, D]: every step is kept.
struct Attention {
  Values scores;         // [B, A, T, T] q k / sqrt(D); -infinity where the query does not see the key
  Values probabilities;  // [B, A, T, T] softmax over keys
  Values out;            // [B, T, A, D]
};
Attention attention(const Values& q, const Values& k, const Values& v, const AttentionSize& size);
/// dq, dk, dv are overwritten.
void attention_backward(const Values& dout, const Values& q, const Values& k, const Values& v, const Attention& forward,
                        const AttentionSize& size, Values& dq, Values& dk, Values& dv);

}  // namespace tessera::reference
