// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/columns.hpp"
#include "checkpoint/tile_writer.hpp"
#include "comm/communicator.hpp"

namespace tessera::checkpoint {

struct SaveSettings {
  std::string dir;  ///< of the files; created if absent
  Retention retention;
  bool async = false;                 ///< write from a copy while training goes on
  std::int64_t bytes_per_second = 0;  ///< of each rank at most, while nobody waits; 0: as fast as it goes
  /// Asked by rank 0 before a file gets its name: throws if the folder is not this run's any more.
  std::function<void()> may_publish = [] {};
};

/// A checkpoint that has its name.
struct Saved {
  std::string path;
  std::int64_t step = 0;
  double stalled_seconds = 0;  ///< that calls of the saver took on this rank
  double seconds = 0;          ///< from begin() until it had its name
  /// Of the slowest rank's work, on rank 0 with publishing; without pauses of a throttled writer.
  double work_seconds = 0;
};

/// Saves checkpoints from all ranks, one at a time. HDF5 lays the file out on rank 0; then every rank fills it with
/// pwrite from a thread that calls neither HDF5 nor MPI, and flushes; then rank 0 writes the checksums and gives it its
/// name. All calls are collective over `ranks`.
///
/// Errors of any rank throw base::SharedError on all, naming step, file and remedy; the temporary file is gone then,
/// the files before are as they were, and the saver is ready for the next begin().
class Saver {
 public:
  /// `tiles`: all of this rank, whose memory stays where it is; those that are counted must cover each tensor exactly
  /// once: std::logic_error on all ranks says if their elements do not add up. `columns`: the group whose ranks hold
  /// the other columns of tiles that lack some (columns.hpp). Both groups must outlive the saver.
  Saver(const comm::Communicator& ranks, const comm::Communicator& columns, std::vector<TensorTile> tiles,
        SaveSettings settings);
  /// Gives up a save in flight, without waiting for all of it to be written.
  ~Saver();

  /// Starts a save of the tiles as they are now. With async they may change as soon as it returns; without, once
  /// finish() has. Finishes the save before, if one is in flight, and returns it.
  std::optional<Saved> begin(const RunState& state);
  /// Looks after the save in flight; to be called once a step. Returns it once it is published.
  std::optional<Saved> poll();
  /// Waits until the save in flight, if any, is published, and returns it. It is not throttled any more.
  std::optional<Saved> finish();

  /// Contiguous parts of the file that this rank writes.
  std::size_t num_stretches() const { return stretches_.size(); }
  /// Bytes of this rank's copies: with async of all that it writes, without of the largest exchange.
  std::size_t buffer_bytes() const {
    return static_cast<std::size_t>(buffer_elements_ + scratch_elements_) * sizeof(float);
  }

 private:
  struct Save;
  struct Written {
    std::vector<std::uint64_t> sums;  // of each dataset, from this rank's tiles
    double seconds = 0;               // of work beside training
  };
  void plan_stretches();
  void start(const RunState& state);
  void copy_tiles();
  std::future<Written> write_beside(TileWriter writer);
  std::future<Written> write_now(TileWriter writer);
  void advance();
  void publish() const;
  template <class Action>
  std::optional<Saved> guarded(Action action);

  const comm::Communicator* ranks_;
  const comm::Communicator* columns_;
  SaveSettings settings_;
  std::vector<Dataset> datasets_;
  std::vector<TensorTile> tiles_;  // that this rank writes, in the order of the file
  std::vector<ColumnCut> cuts_;
  std::int64_t buffer_elements_ = 0, scratch_elements_ = 0;
  std::unique_ptr<float[]> buffer_;
  std::vector<Stretch> stretches_;  // in the order in which they lie in the file
  std::vector<float> scratch_;
  WriterOrders orders_;
  std::unique_ptr<Save> save_;  // in flight
};

}  // namespace tessera::checkpoint
