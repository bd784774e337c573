// SPDX-License-Identifier: Apache-2.0
// A checkpoint is one HDF5 file `step-00001000.h5` of global tensors, the same for every mesh of ranks:
//   /model/<parameter>             f32, global shape
//   /optimizer/m/<parameter>, v    f32, global shape
//   /run                           attributes and texts of RunState
// HDF5 lays the file out, pwrite fills it: rank 0 creates all datasets with early allocation and tells the offsets;
// every rank writes its tiles. Temporary name, fsync, rename, fsync of the folder: a crash at any instant leaves the
// previous file the newest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "tensor/tile.hpp"
#include "tensor/view.hpp"

namespace tessera::checkpoint {

inline constexpr std::int64_t format_version = 1;

/// One tensor to write or read: `group` is "model", "optimizer/m" or "optimizer/v"; `tile.name` the parameter.
struct TensorTile {
  std::string group;
  tensor::Tile tile;
  tensor::View data;
};

/// What a run needs besides tensors. Data order and noise are functions of the step, so this is short.
struct RunState {
  std::int64_t step = 0;     ///< optimizer steps done
  std::int64_t updates = 0;  ///< updates applied (steps less skipped ones)
  std::int64_t skips = 0;    ///< steps skipped as non-finite
  std::int64_t tokens = 0;   ///< tokens seen
  std::string config;        ///< resolved configuration, INI text
  std::string version;       ///< of Tessera, with libraries and instruction set
  std::string mesh;          ///< "data 2": who wrote it, for information
  std::string tokenizer;     ///< serialized tokenizer
  std::string tokenizer_fingerprint;
};

/// "<dir>/step-00001000.h5"
std::string file_name(const std::string& dir, std::int64_t step);

/// Writes a checkpoint into `dir` (created if absent). Call on all ranks with the same RunState; each tensor must be
/// covered exactly once by the tiles of all ranks: with data parallelism only rank 0 passes tiles. Errors on any rank
/// throw on all. Afterwards the oldest complete files beyond `keep` are removed, never the new one. Returns the path.
std::string save(const comm::Communicator& ranks, const std::string& dir, const RunState& state,
                 const std::vector<TensorTile>& tiles, std::int64_t keep);

/// Path of the newest complete checkpoint in `dir`, if any: highest step whose pre-check passes. Damaged ones are named
/// in `warnings`. Not collective.
std::optional<std::string> find_newest(const std::string& dir, std::vector<std::string>& warnings);

/// A checkpoint path as users give it: a file, a folder `checkpoints`, or a run folder. Throws base::UsageError.
std::string resolve_path(const std::string& path);

/// Reads the state; throws base::UsageError naming file and remedy if it is no checkpoint, cut short, of a newer format
/// or has a damaged first block, and base::Error with HDF5's reason if it cannot be read behind that.
RunState read_state(const std::string& path);

/// Reads tiles (whole tensors or parts). Throws base::UsageError listing EVERY tensor that is missing or of another
/// shape. Not collective.
void read_tiles(const std::string& path, const std::vector<TensorTile>& tiles);

}  // namespace tessera::checkpoint
