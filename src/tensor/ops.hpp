// SPDX-License-Identifier: Apache-2.0
// Every operation a model is made of. These functions check shapes and types once (a mismatch is an error of the
// programmer: they throw std::logic_error naming the operation and both shapes); the backends below trust their input.
// All but attention accept R = 0 rows, and then only set to zero what they replace. All are synchronous. Unless `+=` is
// stated an output is overwritten. Results do not depend on the number of threads.
//
// Precision. T is the element type of a run, f32 or bf16, and one operation sees one T: matrices, embeddings and what
// enters or leaves a product are T; the residual stream, statistics, losses, biases, LayerNorm gains and all gradients
// of parameters are f32. Arithmetic is f32 throughout; a T result is rounded once, to nearest.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/activation.hpp"
#include "tensor/device.hpp"
#include "tensor/view.hpp"

namespace tessera::tensor {

// ---- linear layer: y = x wᵀ + bias ----------------------------------------------------------------------------------

/// y [R, O] T = x [R, I] T · wᵀ, w [O, I] T, + bias [O] f32 (bias may be empty).
void linear_forward(Device& device, View x, View w, View bias, View y);
/// dx [R, I] T = dy [R, O] T · w [O, I] T.
void linear_input_gradient(Device& device, View dy, View w, View dx);
/// Whether a gradient is added to what is there or replaces it.
enum class Accumulate : bool { no, yes };

/// dw [O, I] f32 = or += dyᵀ · x, both T;  dbias [O] f32 += column sums of dy (dbias may be empty).
void linear_weight_gradient(Device& device, View dy, View x, View dw, View dbias, Accumulate accumulate);

/// Bytes of work space that a layer [O, I] on R rows, forward and backward, makes each thread hold. An estimate.
std::size_t linear_work_bytes(std::int64_t R, std::int64_t I, std::int64_t O, base::DType dtype);

// ---- dropout --------------------------------------------------------------------------------------------------------

/// Which elements are dropped: a pure function of (seed, site, global sample index, element index within the sample),
/// so that the backward draws the same mask again and no layout changes it. Element e of sample s is dropped if word (e
/// & 3) of philox4x32(key(seed), {e >> 2, site, s low, s high}) < rate * 2^32; kept ones are scaled by 1/(1-rate).
struct Dropout {
  float rate = 0.0f;  ///< 0: nothing is dropped and nothing is drawn
  std::uint64_t seed = 0;
  std::uint32_t site = 0;                    ///< layer and place in it; unique in the model
  std::span<const std::uint64_t> samples{};  ///< [B] global sample index of each sequence; rows of x are [B, T]
  std::int64_t rows_per_sample = 0;          ///< T; 0: R / samples, the operation sees all rows of the micro-batch
  std::int64_t first_row = 0;  ///< row of the micro-batch [B * T] that row 0 of the operation is (sequence parallelism
                               ///< cuts the rows of the micro-batch anywhere)
};

/// dx [R, N] T = mask(dropout) · dy f32 / (1 - rate). Element index = t * N + n, row r being token t = (first_row + r)
/// % rows_per_sample. dx may be dy if T is f32.
void dropout_backward(Device& device, View dy, const Dropout& dropout, View dx);

// ---- embedding ------------------------------------------------------------------------------------------------------

// In pieces, since a rank may hold a part of the token table, [Vt, H] from token `first_token` on, and a part of the
// rows, from row `first_row` of the micro-batch [B * T] on. `length` is T.

/// x [R, H] f32 = token_table [Vt, H] T [token - first_token], 0 where the token lies outside the part; tokens [B, T]
/// i32.
void embedding_lookup(Device& device, View tokens, View token_table, std::int64_t first_token, View x);
/// x [R, H] f32 = dropout(x + position_table [C, H] T [position_offset + (first_row + r) % length]). An active dropout
/// must name the same first_row.
void embedding_positions(Device& device, View position_table, std::int64_t length, std::int64_t position_offset,
                         std::int64_t first_row, const Dropout& dropout, View x);
/// dposition_table [C, H] f32 [(first_row + r) % length] += dx [R, H] f32, the gradient behind dropout_backward.
void embedding_backward_positions(Device& device, View dx, std::int64_t length, std::int64_t first_row,
                                  View dposition_table);
/// dtoken_table [Vt, H] f32 [token - first_token] += dx [R, H] f32, the gradient behind dropout_backward. Tokens
/// outside the part are passed over.
void embedding_backward_tokens(Device& device, View dx, View tokens, std::int64_t first_token, View dtoken_table);

/// to[row] += from[row], then from[row] = 0, for `rows`, each named at most once, in any order. Both [V, H] f32.
void add_rows(Device& device, std::span<const std::int32_t> rows, View from, View to);

// ---- residual and LayerNorm -----------------------------------------------------------------------------------------

/// y [R, H] T = gain * (x - mean) * rstd + bias, x [R, H] f32; mean, rstd [R] are saved for backward. rstd = 1/sqrt(var
/// + eps).
void layernorm_forward(Device& device, View x, View gain, View bias, float epsilon, View y, View mean, View rstd);
/// dx [R, H] f32 += gradient of dy [R, H] T through the norm; dgain [H] +=, dbias [H] +=.
void layernorm_backward(Device& device, View dy, View x, View gain, View mean, View rstd, View dx, View dgain,
                        View dbias);
/// sum [R, H] f32 = x f32 + dropout(branch [R, H] T). `sum` may be x.
void residual_forward(Device& device, View x, View branch, const Dropout& dropout, View sum);
/// residual_forward and layernorm_forward of its sum in one pass over memory.
void residual_layernorm_forward(Device& device, View x, View branch, const Dropout& dropout, View gain, View bias,
                                float epsilon, View sum, View y, View mean, View rstd);

// ---- activations ----------------------------------------------------------------------------------------------------

/// y = f(z), T, same shape. y may be z.
void activation_forward(Device& device, Activation kind, View z, View y);
/// dz = dy · f'(z), T. dz may be dy.
void activation_backward(Device& device, Activation kind, View z, View dy, View dz);

// ---- attention ------------------------------------------------------------------------------------------------------

enum class MaskKind : std::uint8_t { causal, full };

/// Which keys a query sees. causal: key position <= query_offset + query index; full: every key. Blocks of keys that no
/// query of a tile sees cost nothing.
struct AttentionMask {
  MaskKind kind = MaskKind::causal;
  std::int64_t query_offset = 0;  ///< position of query 0 among the keys; > 0 when a key-value cache holds the past
  std::int64_t window = 0;  ///< causal only: the nearest `window` keys, its own among them (locally banded; Child et
                            ///< al. 2019, Brown et al. 2020); 0: all
  View document_starts{};   ///< [B, queries] i32: key position where the query's document begins, never falling from
                            ///< one query to the next; no key before it is seen. Empty: one document
};

/// Rows of a packed buffer: element (b, t, a, d) lies at data[b * batch_stride + t * row_stride + a * D + d].
/// Queries, keys and values may come from one packed product [B, T, 3H], from a cache, or from an encoder.
struct AttentionSource {
  void* data = nullptr;
  std::int64_t batch_stride = 0, row_stride = 0;  ///< in elements
  base::DType dtype = base::DType::f32;           ///< T; the same for all sources of one operation
};

struct AttentionShape {
  std::int64_t batch = 0, heads = 0, head_dim = 0, queries = 0, keys = 0;
  std::int64_t first_head = 0;  ///< number in the model of head 0: dropout masks depend on it
};

/// out (strided as given) = softmax(q kᵀ / sqrt(D), masked) with dropout on the probabilities, times v.
/// lse [B, A, queries] receives log-sum-exp of each row (may be empty when no backward follows). Tiled with online
/// softmax (Milakov & Gimelshein 2018; Dao et al. 2022): the matrix of scores is never stored. Dropout element index =
/// ((first_head + a) * queries + q) * keys + k with queries = keys = T in training.
void attention_forward(Device& device, const AttentionShape& shape, AttentionSource q, AttentionSource k,
                       AttentionSource v, const AttentionMask& mask, const Dropout& dropout, AttentionSource out,
                       View lse);
/// dq, dk, dv = gradients (overwritten). Needs out, lse of the forward and dout.
void attention_backward(Device& device, const AttentionShape& shape, AttentionSource q, AttentionSource k,
                        AttentionSource v, const AttentionMask& mask, const Dropout& dropout, AttentionSource out,
                        AttentionSource dout, View lse, AttentionSource dq, AttentionSource dk, AttentionSource dv);

/// Bytes of work space that forward and backward make each thread hold.
std::size_t attention_work_bytes(const AttentionShape& shape);

// ---- loss -----------------------------------------------------------------------------------------------------------

/// loss [R] = -log softmax(logits)[target] in nats; 0 where target < 0 (ignored). logits [R, V] T, targets [R] i32.
void cross_entropy_forward(Device& device, View logits, View targets, View loss);
/// The same, and logits T are overwritten by their gradient (softmax - onehot) * scale; ignored rows become 0.
void cross_entropy_forward_backward(Device& device, View logits, View targets, float scale, View loss);

/// What one part of the vocabulary tells the others, logits [R, Vt] T from token `first_token` on, Vt >= 1. Rows of
/// statistics [3, R] f32: the largest logit of the part, the sum of exp(logit - that largest), and the logit of the
/// target, 0 where it is ignored or not in the part. Ignored rows have statistics as well.
void cross_entropy_partial(Device& device, View logits, View targets, std::int64_t first_token, View statistics);
/// loss [R] from all_statistics [P, 3, R] of the P parts in rank order, the same on every rank. With `scale` > 0
/// logits, those of this part, are overwritten by their gradient. With one part: the bits of the operations above.
void cross_entropy_combine(Device& device, View logits, View targets, std::int64_t first_token, View all_statistics,
                           float scale, View loss);

// ---- whole buffers --------------------------------------------------------------------------------------------------

/// Sum of squares in double: blocks of fixed size, added in order.
double sum_of_squares(Device& device, View x);
/// Sum in double: blocks of fixed size, added in order.
double sum(Device& device, View x);
/// x = min(max(x, -limit), limit).
void clamp(Device& device, View x, float limit);
/// x = 0.
void fill_zero(Device& device, View x);
/// target = first + second; target may be either.
void add(Device& device, View first, View second, View target);
/// out = ((p0 + p1) + p2) + ... in f32, in one pass over memory. The parts are f32 or bf16, of one type and shape; out
/// is f32, or bf16 and rounded once, and may be one of the parts. One part is copied, or converted. Not timed: it is
/// part of an exchange.
void sum_in_order(Device& device, std::span<const View> parts, View out);
/// y bf16 = x f32, rounded to nearest, ties to even.
void round(Device& device, View x, View y);
/// y f32 = x bf16.
void widen(Device& device, View x, View y);

/// Constants of one AdamW step (Loshchilov & Hutter 2019). Corrections are 1 - beta^t.
struct AdamwStep {
  float lr, beta1, beta2, epsilon, weight_decay;
  float correction1, correction2;
  float gradient_scale;  ///< multiplies the gradient first: global-norm clipping without another pass
};
/// m = b1 m + (1-b1) g; v = b2 v + (1-b2) g²; w -= lr (m/c1 / (sqrt(v/c2) + eps) + weight_decay w). All f32 and one
/// shape. `rounded` bf16 receives the new weights unless it is empty.
void adamw(Device& device, const AdamwStep& step, View w, View gradient, View m, View v, View rounded = {});

}  // namespace tessera::tensor
