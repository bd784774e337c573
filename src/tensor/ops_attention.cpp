// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

cpu::AttentionExtents extents_of(const AttentionShape& shape) {
  return {shape.batch, shape.heads, shape.head_dim, shape.queries, shape.keys, shape.first_head};
}

template <class T>
cpu::AttentionRows<T> rows_of(const char* operation, const AttentionSource& source) {
  require(operation, source.dtype == base::DTypeOf<T>::value, "one element type for all sources");
  return {static_cast<T*>(source.data), source.batch_stride, source.row_stride};
}

cpu::AttentionMaskArgs mask_of(const char* operation, const AttentionMask& mask, const AttentionShape& shape) {
  const bool causal = mask.kind == MaskKind::causal;
  require(operation, !causal || (mask.query_offset >= 0 && mask.query_offset + shape.queries <= shape.keys),
          "a key for the position of every query");
  require(operation, mask.window >= 0 && (causal || mask.window == 0), "a window >= 0, and causal order with it");
  const std::int32_t* starts = nullptr;
  if (!mask.document_starts.empty()) {
    require_shape(operation, "document starts", mask.document_starts, {shape.batch, shape.queries}, base::DType::i32);
    starts = mask.document_starts.as<std::int32_t>();
  }
  return {causal, mask.query_offset, mask.window, starts};
}

/// What forward and backward share.
template <class T, class Args>
Args common_args(const char* operation, const AttentionShape& shape, const AttentionSource& q, const AttentionSource& k,
                 const AttentionSource& v, const AttentionMask& mask, const Dropout& dropout,
                 const AttentionSource& out) {
  require(operation, shape.batch > 0 && shape.heads > 0 && shape.head_dim > 0 && shape.queries > 0 && shape.keys > 0,
          "a shape without zeros");
  require(operation, shape.first_head >= 0, "a first head >= 0");
  require(operation, dropout.rate == 0.0f || dropout.samples.size() == static_cast<std::size_t>(shape.batch),
          "one dropout sample index for each sequence");
  Args args{};
  args.extents = extents_of(shape);
  args.mask = mask_of(operation, mask, shape);
  args.dropout = to_args(operation, dropout);
  args.q = rows_of<T>(operation, q);
  args.k = rows_of<T>(operation, k);
  args.v = rows_of<T>(operation, v);
  args.out = rows_of<T>(operation, out);
  return args;
}

}  // namespace

std::size_t attention_work_bytes(const AttentionShape& shape) {
  const cpu::AttentionExtents x = extents_of(shape);
  return static_cast<std::size_t>(std::max(cpu::attention_forward_floats(x), cpu::attention_backward_floats(x))) *
         sizeof(float);
}

void attention_forward(Device& device, const AttentionShape& shape, AttentionSource q, AttentionSource k,
                       AttentionSource v, const AttentionMask& mask, const Dropout& dropout, AttentionSource out,
                       View lse) {
  const Timed timed(device.times(), Work::attention);
  constexpr const char* operation = "attention_forward";
  if (!lse.empty()) require_shape(operation, "lse", lse, {shape.batch, shape.heads, shape.queries});
  with_element(operation, q.dtype, [&]<class T>(T) {
    auto args = common_args<T, cpu::AttentionForwardArgs<T>>(operation, shape, q, k, v, mask, dropout, out);
    args.lse = lse.empty() ? nullptr : lse.as<float>();
    args.scratch = float_scratch(device, cpu::attention_forward_floats(args.extents) * device.threads());
    device.kernels().of<T>().attention_forward(args, device.threads());
  });
}

void attention_backward(Device& device, const AttentionShape& shape, AttentionSource q, AttentionSource k,
                        AttentionSource v, const AttentionMask& mask, const Dropout& dropout, AttentionSource out,
                        AttentionSource dout, View lse, AttentionSource dq, AttentionSource dk, AttentionSource dv) {
  const Timed timed(device.times(), Work::attention);
  constexpr const char* operation = "attention_backward";
  require_shape(operation, "lse", lse, {shape.batch, shape.heads, shape.queries});
  with_element(operation, q.dtype, [&]<class T>(T) {
    auto args = common_args<T, cpu::AttentionBackwardArgs<T>>(operation, shape, q, k, v, mask, dropout, out);
    args.dout = rows_of<T>(operation, dout);
    args.dq = rows_of<T>(operation, dq);
    args.dk = rows_of<T>(operation, dk);
    args.dv = rows_of<T>(operation, dv);
    args.lse = lse.as<float>();
    args.scratch = float_scratch(device, cpu::attention_backward_floats(args.extents) * device.threads());
    device.kernels().of<T>().attention_backward(args, device.threads());
  });
}

}  // namespace tessera::tensor
