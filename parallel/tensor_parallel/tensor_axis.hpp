// SPDX-License-Identifier: Apache-2.0
// Tensor parallelism (Shoeybi et al. 2019, Megatron-LM) and sequence parallelism (Korthikanti et al. 2022). A block
// cuts its matrices over the tensor axis; between them flows the residual stream, of which a rank holds all rows, or
// with sequence parallelism its own part. Two operations lead from one to the other, each the backward of the other:
//   sum     partial products of all ranks -> residual stream     (all-reduce, or reduce-scatter of rows)
//   gather  residual stream -> all rows                          (nothing, or all-gather of rows)
#pragma once

#include <cstdint>
#include <span>

#include "base/fault.hpp"
#include "comm/communicator.hpp"
#include "tensor/arena.hpp"
#include "tensor/device.hpp"
#include "tensor/range.hpp"

namespace tessera::tensor_parallel {

/// The tensor axis through this rank. Every member that sends must be called by all ranks of the axis in the same
/// order; with one rank none does anything. Used by one thread at a time.
class TensorAxis {
 public:
  /// One rank alone.
  explicit TensorAxis(tensor::Device& device) : device_(&device) {}
  /// `group` and `device` must outlive the axis.
  TensorAxis(const comm::Communicator& group, tensor::Device& device, bool sequence,
             base::Fault fault = base::Fault::none)
      : device_(&device), group_(&group), sequence_(sequence), fault_(fault) {}

  int rank() const { return group_ ? group_->rank() : 0; }
  int size() const { return group_ ? group_->size() : 1; }
  bool sequence() const { return sequence_ && size() > 1; }
  base::Fault fault() const { return fault_; }

  /// Rows of the residual stream that this rank holds, of the `rows` of a micro-batch. They are cut wherever they fall:
  /// LayerNorm, dropout and addition work row by row.
  tensor::Range rows(std::int64_t rows) const {
    return sequence() ? tensor::part_of(rows, size(), rank()) : tensor::Range{0, rows};
  }
  /// That part of a tensor whose dim 0 are all rows of the micro-batch.
  tensor::View own(tensor::View all) const {
    const tensor::Range part = rows(all.extent(0));
    return all.rows(part.first, part.size);
  }

  /// partial [R, N] T of every rank -> own(partial), = their sum in fp32 in rank order, rounded once. Other rows of
  /// `partial` are undefined afterwards under sequence parallelism.
  tensor::View sum(tensor::View partial);
  /// all [R, N] T, of which every rank has filled own(all) -> all rows on all ranks.
  void gather(tensor::View all);
  /// Each of `gradients` f32 = its sum over ranks, in rank order: of parameters whose gradients come from the rows of
  /// the residual stream. Without sequence parallelism they are complete, and equal, already.
  void sum_gradients(std::span<const tensor::View> gradients);
  /// mine [n] of every rank -> all [P, n], in rank order.
  void all_gather(tensor::View mine, tensor::View all);

  double wait_seconds() const { return wait_seconds_; }  ///< spent in messages since construction

 private:
  tensor::View receive_buffer(base::DType dtype, tensor::Shape shape);
  void exchange_rows(tensor::View all);
  void sum_rows(tensor::View partial);

  tensor::Device* device_;
  const comm::Communicator* group_ = nullptr;
  bool sequence_ = false;
  base::Fault fault_ = base::Fault::none;
  tensor::Arena received_;  // copies of this rank's rows from the others; grows to the largest sum
  double wait_seconds_ = 0;
};

/// Bytes that rank `rank` sends in one sum() of [rows, columns] and in one gather(): exactly what the transport counts.
std::uint64_t sum_bytes(std::int64_t rows, std::int64_t columns, base::DType dtype, int ranks, int rank, bool sequence);
std::uint64_t gather_bytes(std::int64_t rows, std::int64_t columns, base::DType dtype, int ranks, int rank,
                           bool sequence);

}  // namespace tessera::tensor_parallel
