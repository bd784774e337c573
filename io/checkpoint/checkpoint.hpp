// SPDX-License-Identifier: Apache-2.0
// A checkpoint is one HDF5 file `step-00001000.h5` of global tensors, the same for every mesh of ranks:
//   /model/<parameter>             f32, global shape: in bf16 runs the masters
//   /optimizer/m/<parameter>, v    f32, global shape; absent from a file of weights only
//   /run                           attributes and texts of RunState
// Checksums are attributes of 16 hex digits. Each tensor has "sum64", to which every rank that wrote adds its part, so
// that it does not depend on the mesh (checksum.hpp says of what); the group /model has "digest", over names, shapes
// and sums of all its tensors: equal digests mean equal weights. A block in front of HDF5's part has the checksum of
// all other bytes (user_block.hpp).
//
// Which header for what: saver.hpp saves from all ranks, tiles.hpp reads on all ranks, file_writer.hpp and
// file_reader.hpp are for one process and one tensor after the other, verify.hpp is for files of strangers,
// statistics.hpp and average.hpp are for people who look at models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tensor/tile.hpp"
#include "tensor/view.hpp"

namespace tessera::checkpoint {

inline constexpr std::int64_t format_version = 3;

/// A file that is not, or not any more, what its name says: foreign, cut short, of another step, with a wrong checksum,
/// without a dataset. An older file may do instead.
class DamagedError : public base::UsageError {
 public:
  using UsageError::UsageError;
};

/// A tensor of a file, f32.
struct Dataset {
  std::string path;                  ///< "/model/<parameter>"
  std::vector<std::uint64_t> shape;  ///< global
  std::int64_t num_elements() const;
};

/// One tensor to write or read: `group` is "model", "optimizer/m" or "optimizer/v"; `tile.name` the parameter.
struct TensorTile {
  std::string group;
  tensor::Tile tile;
  tensor::View data;
  bool counted = true;  ///< of all ranks' tiles those that are counted cover each tensor exactly once; the others are
                        ///< copies: neither written nor read
};

/// The dataset that a tile is a part of.
Dataset dataset_of(const TensorTile& tensor);

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
  std::string data{};  ///< what was trained on, in a few words that tell other data; "" if the file does not say
};

/// "<dir>/step-00001000.h5"
std::string file_name(const std::string& dir, std::int64_t step);

/// The files in `dir` that are named like checkpoints, newest first, damaged or not.
std::vector<std::string> list_newest_first(const std::string& dir);

/// The files that a checkpoint path as users give it may mean, newest first: a file, or those of a run folder or of a
/// folder `checkpoints`. Throws base::UsageError if there is none.
std::vector<std::string> candidates(const std::string& path);

/// The folder of the checkpoints that a path as users give it means: itself, or its folder `checkpoints`. Throws
/// base::UsageError if no file there is named like a checkpoint or a remnant of one.
std::string folder_of(const std::string& path);

/// A file that was to be a checkpoint, or was one.
struct Remnant {
  std::string path;
  std::int64_t step = 0;
  bool is_aside = false;  ///< as it was damaged; else a save is in flight or was cut off
};
/// Those in `dir`, newest first.
std::vector<Remnant> list_remnants(const std::string& dir);

/// Removes the files that saves into `dir` left when they were cut off. Returns their paths.
std::vector<std::string> remove_leftovers(const std::string& dir);

/// Renames a damaged file so that nothing takes it for a checkpoint, and never onto another one. Returns the new path.
std::string set_aside(const std::string& path);

/// Which files stay.
struct Retention {
  std::int64_t keep = 2;        ///< newest; 0: all
  std::int64_t keep_every = 0;  ///< and for good those whose step is a multiple of this; 0: none
};

/// Sound files in `dir` older than step `newest` that need not stay, oldest first, where `newest` is one of those that
/// do. Files of a higher step and damaged ones neither count nor go: none may displace what was just written. Sound
/// means: first block and metadata are.
std::vector<std::string> dispensable(const std::string& dir, std::int64_t newest, const Retention& retention);

}  // namespace tessera::checkpoint
