// SPDX-License-Identifier: Apache-2.0
#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

cpu::AttentionRows to_args(const AttentionSource& source) {
  return {source.data, source.batch_stride, source.row_stride};
}

cpu::AttentionExtents to_args(const char* operation, const AttentionShape& shape) {
  require(operation, shape.batch > 0 && shape.heads > 0 && shape.head_dim > 0 && shape.queries > 0 && shape.keys > 0,
          "a shape without zeros");
  return {shape.batch, shape.heads, shape.head_dim, shape.queries, shape.keys};
}

cpu::AttentionMaskArgs to_args(const char* operation, const AttentionMask& mask, const AttentionShape& shape) {
  require(operation,
          mask.kind == MaskKind::full || (mask.query_offset >= 0 && mask.query_offset + shape.queries <= shape.keys),
          "a key for the position of every query");
  return {mask.kind == MaskKind::causal, mask.query_offset};
}

cpu::DropoutArgs to_args(const char* operation, const Dropout& dropout, const AttentionShape& shape) {
  return tensor::to_args(operation, dropout, static_cast<std::int64_t>(shape.batch));
}

}  // namespace

void attention_forward(Device& device, const AttentionShape& shape, AttentionSource q, AttentionSource k,
                       AttentionSource v, const AttentionMask& mask, const Dropout& dropout, AttentionSource out,
                       View lse) {
  constexpr const char* operation = "attention_forward";
  if (!lse.empty()) require_shape(operation, "lse", lse, {shape.batch, shape.heads, shape.queries});
  cpu::AttentionForwardArgs args{};
  args.extents = to_args(operation, shape);
  args.mask = to_args(operation, mask, shape);
  args.dropout = to_args(operation, dropout, shape);
  args.q = to_args(q);
  args.k = to_args(k);
  args.v = to_args(v);
  args.out = to_args(out);
  args.lse = lse.empty() ? nullptr : lse.as<float>();
  args.scratch = float_scratch(device, cpu::attention_forward_floats(args.extents) * device.threads());
  device.kernels().attention_forward(args, device.threads());
}

void attention_backward(Device& device, const AttentionShape& shape, AttentionSource q, AttentionSource k,
                        AttentionSource v, const AttentionMask& mask, const Dropout& dropout, AttentionSource out,
                        AttentionSource dout, View lse, AttentionSource dq, AttentionSource dk, AttentionSource dv) {
  constexpr const char* operation = "attention_backward";
  require_shape(operation, "lse", lse, {shape.batch, shape.heads, shape.queries});
  cpu::AttentionBackwardArgs args{};
  args.extents = to_args(operation, shape);
  args.mask = to_args(operation, mask, shape);
  args.dropout = to_args(operation, dropout, shape);
  args.q = to_args(q);
  args.k = to_args(k);
  args.v = to_args(v);
  args.out = to_args(out);
  args.dout = to_args(dout);
  args.dq = to_args(dq);
  args.dk = to_args(dk);
  args.dv = to_args(dv);
  args.lse = lse.as<float>();
  args.scratch = float_scratch(device, cpu::attention_backward_floats(args.extents) * device.threads());
  device.kernels().attention_backward(args, device.threads());
}

}  // namespace tessera::tensor
