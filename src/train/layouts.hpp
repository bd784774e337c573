// SPDX-License-Identifier: Apache-2.0
// The list of layouts that `tessera selftest` compares with one process.
#pragma once

#include <string>
#include <vector>

#include "comm/mesh_shape.hpp"
#include "config/config.hpp"

namespace tessera::train {

/// One layout, by the keys of [parallel], and how the run clips.
struct ParityCase {
  comm::MeshShape mesh;
  config::ParallelConfig parallel;
  enum class Clip : std::uint8_t { none, norm, value } clip = Clip::none;
  bool bf16 = false;
  int threads = 1;
  /// Number in the list of a case whose bits this one must have, or -1: its figures need only be close to one process.
  int twin = -1;

  std::string name() const;
  config::Config config(const config::Config& tiny) const;  ///< of the run
};

/// Every layout of the axes' sizes {1, 2, 4} that fits `ranks` ranks, and of `ranks` itself where it divides otherwise,
/// with each schedule, sequence parallelism, zero stage and kind of clipping that applies; fp32, and a selection in
/// bf16. The first cases are one process, one for each clipping and precision: reference_of() finds them. `brief`: only
/// fp32, clipped by norm. Pure.
std::vector<ParityCase> parity_cases(int ranks, bool has_bf16, bool brief = false);

/// Number in the list of the one-process case that `number` is compared with.
int reference_of(const std::vector<ParityCase>& cases, int number);

}  // namespace tessera::train
