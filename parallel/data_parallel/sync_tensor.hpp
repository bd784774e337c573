// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/fault.hpp"
#include "tensor/range.hpp"
#include "tensor/view.hpp"

namespace tessera::data_parallel {

/// One parameter of this rank, as the data axis sees it. All data ranks pass the same list with the same shapes.
struct SyncTensor {
  tensor::View gradient;      ///< [rows, ...] f32
  tensor::View accumulator;   ///< [own rows, ...] f32, zero 2 only: receives = or += the sum of my rows; else empty
  tensor::View weight;        ///< [rows, ...] f32 or bf16: what gather_weights() spreads (zero >= 1)
  std::int64_t rotation = 0;  ///< rows of data rank r: own_rows(rows, ranks, r, rotation)
  int group = 0;              ///< tensors of one group become ready together; >= 0
};

/// Rows that data rank `rank` owns: all ranks' parts cover each row once. The start rotates from tensor to tensor so
/// that short tensors do not all burden the first ranks. Pure.
inline tensor::Range own_rows(std::int64_t rows, int ranks, int rank, std::int64_t rotation) {
  return tensor::part_of(rows, ranks, (rank + rotation) % ranks);
}

/// Type in which contributions to a sum travel. bf16: every contribution, the owner's too, is rounded once, so that
/// bits do not depend on who owns a row; in two levels so is the sum of each node, the owner's too, before the nodes
/// exchange them; with zero 0 the sums are rounded as well before they are sent to all. Additions are in fp32.
enum class Wire : std::uint8_t { fp32, bf16 };

struct SyncSettings {
  std::int64_t bucket_bytes = std::int64_t{25} << 20;  ///< bytes of f32 gradient reduced together, about
  int zero = 0;             ///< 0: all get all sums; 1: each its rows of the gradient; 2: each its accumulators
  Wire wire = Wire::fp32;   ///< fp32 where MPI reduces
  bool mpi_reduce = false;  ///< MPI adds, in an order of its own: not bit-stable
  base::Fault fault = base::Fault::none;
  int ranks_per_node = 0;  ///< 0: as the group's ranks lie; tests pretend others
};

}  // namespace tessera::data_parallel
