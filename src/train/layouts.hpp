// SPDX-License-Identifier: Apache-2.0
// The list of layouts that `tessera selftest` compares with one process.
#pragma once

#include <string>
#include <vector>

#include "comm/mesh_shape.hpp"
#include "config/config.hpp"
#include "train/parity.hpp"

namespace tessera::train {

/// One layout, by the keys of [parallel], and what else of a run matters to its bits.
struct ParityCase {
  comm::MeshShape mesh;
  config::ParallelConfig parallel;
  enum class Clip : std::uint8_t { none, norm, value } clip = Clip::none;
  bool bf16 = false;
  std::int64_t micro_batch = 1;    ///< sequences
  std::string recompute = "none";  ///< run.recompute
  /// Another model: attention alternates with narrow bands and stays within documents, the head has its own weights.
  bool other_model = false;
  int threads = 1;
  /// Number in the list of a case whose bits this one must have, or -1: its figures need only be close to one process.
  int twin = -1;

  std::string name() const;
  config::Config config() const;  ///< of the run
  ParityBounds bounds() const;    ///< against one process
};

/// How much of the crossing of layouts with kinds of clipping. Values are clipped after the sum over ranks and element
/// by element, whatever the schedule and zero stage, so `usual` crosses it with shapes and sequence parallelism only,
/// which saves a third of the time (75 of 253 layouts of 8 ranks).
enum class Crossing : std::uint8_t {
  brief,  ///< only fp32, clipped by norm
  usual,  ///< values clipped with the first schedule and zero stage of each shape
  full    ///< values clipped with all of them
};

/// Every layout of the axes' sizes {1, 2, 4} that fits `ranks` ranks, and tensor 3 where 3 ranks are left over of
/// fours, with each schedule, sequence parallelism, zero stage and kind of clipping that applies, in fp32; and a
/// selection in bf16, with one micro-batch a rank, sums by MPI, bf16 on the wire, recomputation, and of another model.
/// The first cases are one process, one for each model, clipping and precision: reference_of() finds them. Pure.
std::vector<ParityCase> parity_cases(int ranks, bool has_bf16, Crossing crossing);

/// Number in the list of the one-process case that `number` is compared with.
int reference_of(const std::vector<ParityCase>& cases, int number);

}  // namespace tessera::train
