// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "train/replica.hpp"

namespace tessera::tools {

inline constexpr int kCheckpointPairs = 5;

/// What checkpoints cost. Medians of kCheckpointPairs pairs, ours and plain in turn, the slowest rank, both with fsync.
struct CheckpointFigures {
  std::string folder;
  std::uint64_t size_bytes = 0;
  std::int64_t num_writes = 0;  ///< stretches of the file that all ranks write
  /// Plain: every rank writes or reads an equal share of as many bytes, in one file, 2 MiB at a time.
  double write_seconds = 0, plain_write_seconds = 0, write_share = 0;  ///< share: median of plain / ours of the pairs
  double read_seconds = 0, plain_read_seconds = 0, read_share = 0;
  double plain_write_cpu_seconds = 0;  ///< of all ranks together
  /// A save while training goes on.
  double step_seconds = 0;           ///< without a save, median
  double slowest_step_seconds = 0;   ///< while a save ran, without begin()
  double begin_seconds = 0;          ///< layout and copy: training stands still
  double lost_seconds = 0;           ///< all time above that of as many steps without a save
  double save_seconds = 0;           ///< from begin() until the file had its name
  std::int64_t steps_meanwhile = 0;  ///< steps over which it ran
};

/// Writes and reads checkpoints of the replica in `folder`, and trains during saves. Leaves nothing behind. Collective.
CheckpointFigures measure_checkpoints(train::Replica& replica, const std::string& folder);

std::string checkpoint_json(const CheckpointFigures& figures);
/// Lines for people.
std::string checkpoint_text(const CheckpointFigures& figures, std::int64_t ranks);

}  // namespace tessera::tools
