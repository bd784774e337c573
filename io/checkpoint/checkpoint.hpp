// SPDX-License-Identifier: Apache-2.0
// A checkpoint is one HDF5 file `step-00001000.h5` of global tensors, the same for every mesh of ranks:
//   /model/<parameter>             f32, global shape
//   /optimizer/m/<parameter>, v    f32, global shape
//   /run                           attributes and texts of RunState
// Checksums are attributes of 16 hex digits. Each tensor has "sum64", to which every rank that wrote adds its part, so
// that it does not depend on the mesh (checksum.hpp says of what); the group /model has "digest", over names, shapes
// and sums of all its tensors: equal digests mean equal weights. Each text in /run has "xxh3", XXH3-64 of its bytes,
// and the group /run the same over its own attributes.
//
// HDF5 lays the file out, pwrite fills it: rank 0 creates all datasets, in the order of their names, with early
// allocation and tells the offsets; every rank writes its tiles. Temporary name, fsync, rename, fsync of the folder: a
// crash at any instant leaves the previous file the newest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/communicator.hpp"
#include "tensor/tile.hpp"
#include "tensor/view.hpp"

namespace tessera::checkpoint {

inline constexpr std::int64_t format_version = 2;

/// A file that is not, or not any more, what its name says: foreign, cut short, of another step, with a wrong checksum,
/// without a dataset. An older file may do instead.
class DamagedError : public base::UsageError {
 public:
  using UsageError::UsageError;
};

/// One tensor to write or read: `group` is "model", "optimizer/m" or "optimizer/v"; `tile.name` the parameter.
struct TensorTile {
  std::string group;
  tensor::Tile tile;
  tensor::View data;
  bool counted = true;  ///< of all ranks' tiles those that are counted cover each tensor exactly once; the others are
                        ///< copies: read, never written
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

/// Writes a checkpoint into `dir` (created if absent). Call on all ranks with the same RunState, each with all its
/// tiles; those that are counted must cover each tensor exactly once, and std::logic_error on all ranks says if their
/// elements do not add up. Other errors on any rank throw on all, naming step, file and remedy, and leave no temporary
/// file. Afterwards complete files older than the newest `keep` are removed, never the new one. Returns the path.
std::string save(const comm::Communicator& ranks, const std::string& dir, const RunState& state,
                 const std::vector<TensorTile>& tiles, std::int64_t keep);

/// Removes the files that saves into `dir` left when they were cut off. Returns their paths. Not collective.
std::vector<std::string> remove_leftovers(const std::string& dir);

/// The files in `dir` that are named like checkpoints, newest first, damaged or not. Not collective.
std::vector<std::string> list_newest_first(const std::string& dir);

/// The files that a checkpoint path as users give it may mean, newest first: a file, or those of a folder `checkpoints`
/// or of a run folder. Throws base::UsageError if there is none.
std::vector<std::string> candidates(const std::string& path);

/// Renames a damaged file so that nothing takes it for a checkpoint, and never onto another one. Returns the new path.
std::string set_aside(const std::string& path);

/// Reads the state. Throws DamagedError naming file and remedy, and base::UsageError for a file that is absent or of a
/// newer format, or of an older one, as only development versions wrote.
RunState read_state(const std::string& path);

/// Reads the tiles of this rank, whatever the mesh that wrote. Throws the same DamagedError on all ranks, listing EVERY
/// tensor of any rank that is missing, of another shape or with a wrong checksum: compare the model with that of
/// read_state() first. Other errors on any rank throw base::SharedError on all. The counted tiles must add up to whole
/// tensors, as in save(), and are verified together. A copy is verified by itself if it is a whole tensor. A copy of a
/// part is not: of its bytes only what the counted tiles read of them is. Collective.
void read_tiles(const comm::Communicator& ranks, const std::string& path, const std::vector<TensorTile>& tiles);
/// The same for one process, whose tiles cover the tensors. Not collective.
void read_tiles(const std::string& path, const std::vector<TensorTile>& tiles);

}  // namespace tessera::checkpoint
