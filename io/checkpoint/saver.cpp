// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/saver.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fmt/core.h>
#include <future>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "checkpoint/datasets.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/new_file.hpp"
#include "comm/together.hpp"

namespace tessera::checkpoint {

namespace fs = std::filesystem;

namespace {

// How long a rank looks at its own thread before it looks at the others.
constexpr auto kLook = std::chrono::milliseconds(200);

template <class T>
bool is_ready(const std::future<T>& future) {
  return !future.valid() || future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

struct Saver::Save {
  std::string path;
  std::int64_t step = 0;
  base::Clock::time_point begun = base::Clock::now();
  double stalled_seconds = 0;
  std::unique_ptr<NewFile> file;                    // rank 0
  std::future<std::vector<std::uint64_t>> written;  // of every rank, until it is used
  bool tiles_written = false;                       // of all ranks
  std::future<void> published;                      // rank 0
  bool is_published = false;

  bool waits_for_nothing() const { return is_ready(written) && is_ready(published); }
};

Saver::Saver(const comm::Communicator& ranks, const comm::Communicator& columns, std::vector<TensorTile> tiles,
             SaveSettings settings)
    : ranks_(&ranks),
      columns_(&columns),
      tiles_(std::move(tiles)),
      settings_(std::move(settings)),
      datasets_(datasets_of(ranks, tiles_)),
      cuts_(column_cuts(columns, tiles_)) {
  std::erase_if(tiles_, [](const TensorTile& tensor) { return !tensor.counted || tensor.tile.num_elements() == 0; });
  for (const ColumnCut& cut : cuts_) buffer_elements_ += cut.num_elements();
  for (const TensorTile& tensor : tiles_)
    if (settings_.async && (cuts_.empty() || !lacks_columns(tensor.tile)))
      buffer_elements_ += tensor.tile.num_elements();
  buffer_ = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(buffer_elements_));
  plan_stretches();
}

Saver::~Saver() = default;  // futures of std::async wait for their threads

/// Errors of a save in flight end it.
template <class Action>
std::optional<Saved> Saver::guarded(Action action) {
  const base::Clock::time_point start = base::Clock::now();
  try {
    action();
  } catch (const base::SharedError& error) {
    const std::string path = save_->path;
    const std::int64_t step = save_->step;
    save_.reset();
    throw base::SharedError(
        fmt::format("step {}: checkpoint '{}' cannot be saved: {}. Check free space, quota and permissions; the "
                    "checkpoints before are as they were",
                    step, path, error.what()),
        error.code());
  }
  if (!save_) return std::nullopt;
  save_->stalled_seconds += base::seconds_since(start);
  if (!save_->is_published) return std::nullopt;
  Saved saved{save_->path, save_->step, save_->stalled_seconds, base::seconds_since(save_->begun)};
  save_.reset();
  return saved;
}

std::optional<Saved> Saver::begin(const RunState& state) {
  std::optional<Saved> before = finish();
  save_ = std::make_unique<Save>();
  save_->path = file_name(settings_.dir, state.step);
  save_->step = state.step;
  guarded([&] { start(state); });
  return before;
}

void Saver::start(const RunState& state) {
  WriteJob job{
      temporary_name(save_->path), std::vector<std::uint64_t>(datasets_.size()), {}, settings_.bytes_per_second};
  comm::together(*ranks_, "layout of the checkpoint", [&] {
    if (ranks_->rank() != 0) return;
    save_->file = std::make_unique<NewFile>(save_->path, state, datasets_);
    job.offsets = save_->file->offsets();
  });
  ranks_->broadcast<std::uint64_t>(job.offsets, 0, "offsets of the checkpoint");

  copy_tiles();
  job.stretches = stretches_;
  save_->written = std::async(std::launch::async, [job = std::move(job)] { return write_stretches(job); });
}

/// What this rank writes, from the buffer or from the tiles themselves: the same in every save.
void Saver::plan_stretches() {
  const float* next = buffer_.get();
  std::size_t next_cut = 0;
  for (const TensorTile& tensor : tiles_) {
    const std::size_t dataset = index_of(datasets_, tensor);
    if (!cuts_.empty() && lacks_columns(tensor.tile)) {
      const ColumnCut& cut = cuts_[next_cut++];
      if (cut.num_elements() > 0) stretches_.push_back({dataset, cut.first_element(), cut.num_elements(), next});
      next += cut.num_elements();
      continue;
    }
    const float* const data = settings_.async ? next : tensor.data.as<float>();
    if (settings_.async) next += tensor.tile.num_elements();
    for_each_run(tensor.tile, [&](const Run& run) {
      stretches_.push_back({dataset, run.global_element, run.num_elements, data + run.tile_element});
    });
  }
  std::sort(stretches_.begin(), stretches_.end(), [](const Stretch& a, const Stretch& b) {
    return std::pair(a.dataset, a.first) < std::pair(b.dataset, b.first);
  });
}

/// Fills the buffer, in the order of plan_stretches().
void Saver::copy_tiles() {
  float* next = buffer_.get();
  std::size_t next_cut = 0;
  for (const TensorTile& tensor : tiles_) {
    if (!cuts_.empty() && lacks_columns(tensor.tile)) {
      const ColumnCut& cut = cuts_[next_cut++];
      gather_columns(*columns_, cut, tensor.data.as<float>(), next, scratch_);
      next += cut.num_elements();
    } else if (settings_.async) {
      next = std::copy_n(tensor.data.as<float>(), tensor.tile.num_elements(), next);
    }
  }
}

/// One look of all ranks at all threads, and what follows from it.
void Saver::advance() {
  const std::uint8_t mine = save_->waits_for_nothing() ? 1 : 0;
  std::vector<std::uint8_t> all(static_cast<std::size_t>(ranks_->size()));
  ranks_->all_gather<std::uint8_t>({&mine, 1}, all, "state of the checkpoint");
  if (std::find(all.begin(), all.end(), 0) != all.end()) return;
  if (save_->tiles_written) {
    comm::together(*ranks_, "checkpoint published", [&] {
      if (ranks_->rank() == 0) save_->published.get();
    });
    save_->is_published = true;
    return;
  }
  std::vector<std::uint64_t> sums;
  comm::together(*ranks_, "tiles of the checkpoint written", [&] { sums = save_->written.get(); });
  sums = add_over_ranks(*ranks_, sums, "checksums of the checkpoint");
  comm::together(*ranks_, "checksums of the checkpoint written", [&] {
    if (ranks_->rank() != 0) return;
    save_->file->set_sums(sums);
    save_->published = std::async(std::launch::async, [this] { publish(); });
  });
  save_->tiles_written = true;
}

/// Rank 0.
void Saver::publish() const {
  save_->file->publish();
  for (const std::string& file : dispensable(settings_.dir, save_->step, settings_.retention)) {
    std::error_code ignored;  // the checkpoint is saved; the next one tries again
    fs::remove(file, ignored);
  }
}

std::optional<Saved> Saver::poll() {
  if (!save_) return std::nullopt;
  return guarded([&] { advance(); });
}

std::optional<Saved> Saver::finish() {
  std::optional<Saved> saved;
  while (save_ && !saved)
    saved = guarded([&] {
      if (save_->written.valid()) save_->written.wait_for(kLook);
      if (save_->published.valid()) save_->published.wait_for(kLook);
      advance();
    });
  return saved;
}

}  // namespace tessera::checkpoint
