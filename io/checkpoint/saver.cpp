// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/saver.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fmt/core.h>
#include <system_error>

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
  double stalled_seconds = 0, work_seconds = 0;
  std::unique_ptr<NewFile> file;  // rank 0
  std::future<Written> written;   // of every rank, until it is used
  bool tiles_written = false;     // of all ranks
  std::future<double> published;  // rank 0: after so many seconds
  bool is_published = false;

  bool waits_for_nothing() const { return is_ready(written) && is_ready(published); }
};

Saver::Saver(const comm::Communicator& ranks, const comm::Communicator& columns, std::vector<TensorTile> tiles,
             SaveSettings settings)
    : ranks_(&ranks),
      columns_(&columns),
      settings_(std::move(settings)),
      datasets_(datasets_of(ranks, tiles)),
      tiles_(in_file_order(std::move(tiles))) {
  cuts_ = column_cuts(columns, tiles_);
  for (const ColumnCut& cut : cuts_) scratch_elements_ = std::max(scratch_elements_, cut.num_elements());
  plan_stretches();
}

Saver::~Saver() {
  orders_.give_up = true;  // futures of std::async wait for their threads
}

/// What this rank writes, and from where: the same in every save. Whole rows that columns are gathered to lie in the
/// buffer, with async all at once, without one after the other.
void Saver::plan_stretches() {
  const auto exchanges = [&](const TensorTile& tensor) { return !cuts_.empty() && lacks_columns(tensor.tile); };
  if (settings_.async) {
    for (const ColumnCut& cut : cuts_) buffer_elements_ += cut.num_elements();
    for (const TensorTile& tensor : tiles_)
      if (!exchanges(tensor)) buffer_elements_ += tensor.tile.num_elements();
  } else {
    buffer_elements_ = scratch_elements_;
  }
  buffer_ = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(buffer_elements_));
  const float* next = buffer_.get();
  std::size_t next_cut = 0;
  for (const TensorTile& tensor : tiles_) {
    const std::size_t dataset = index_of(datasets_, tensor);
    if (exchanges(tensor)) {
      const ColumnCut& cut = cuts_[next_cut++];
      if (cut.num_elements() > 0) stretches_.push_back({dataset, cut.first_element(), cut.num_elements(), next});
      if (settings_.async) next += cut.num_elements();
      continue;
    }
    const float* const data = settings_.async ? next : tensor.data.as<float>();
    if (settings_.async) next += tensor.tile.num_elements();
    for_each_run(tensor.tile, [&](const Run& run) {
      stretches_.push_back({dataset, run.global_element, run.num_elements, data + run.tile_element});
    });
  }
}

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
  Saved saved{save_->path, save_->step, save_->stalled_seconds, base::seconds_since(save_->begun), save_->work_seconds};
  save_.reset();
  return saved;
}

std::optional<Saved> Saver::begin(const RunState& state) {
  std::optional<Saved> before = finish();
  save_ = std::make_unique<Save>();
  save_->path = file_name(settings_.dir, state.step);
  save_->step = state.step;
  guarded([&] {
    const base::Stopwatch work(save_->work_seconds);
    start(state);
  });
  return before;
}

void Saver::start(const RunState& state) {
  orders_.bytes_per_second = settings_.async ? settings_.bytes_per_second : 0;
  std::vector<std::uint64_t> offsets(datasets_.size());
  comm::together(*ranks_, "layout of the checkpoint", [&] {
    if (ranks_->rank() != 0) return;
    save_->file = std::make_unique<NewFile>(save_->path, state, datasets_);
    offsets = save_->file->offsets();
  });
  ranks_->broadcast<std::uint64_t>(offsets, 0, "offsets of the checkpoint");
  TileWriter writer(temporary_name(save_->path), std::move(offsets), orders_);
  if (settings_.async) copy_tiles();
  save_->written = settings_.async ? write_beside(std::move(writer)) : write_now(std::move(writer));
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
    } else {
      next = std::copy_n(tensor.data.as<float>(), tensor.tile.num_elements(), next);
    }
  }
}

/// From the buffer, while training goes on. That a thread is refused shows where its work is awaited.
std::future<Saver::Written> Saver::write_beside(TileWriter writer) {
  const auto work = [this](TileWriter mine) {
    const base::Clock::time_point start = base::Clock::now();
    for (const Stretch& stretch : stretches_) mine.write(stretch);
    std::vector<std::uint64_t> sums = mine.finish();
    return Written{std::move(sums), base::seconds_since(start) - mine.paused_seconds()};
  };
  try {
    return std::async(std::launch::async, work, std::move(writer));
  } catch (const std::system_error&) {
    std::promise<Written> none;
    none.set_exception(std::current_exception());
    return none.get_future();
  }
}

/// From the tiles themselves, and by this thread, as columns are gathered on the way. A rank that cannot write goes on
/// gathering, as others wait for its columns; that it could not shows where its work is awaited.
std::future<Saver::Written> Saver::write_now(TileWriter writer) {
  std::promise<Written> written;
  std::exception_ptr failure;
  std::size_t next_cut = 0, next_stretch = 0;
  for (const TensorTile& tensor : tiles_) {
    const std::size_t dataset = index_of(datasets_, tensor);
    if (!cuts_.empty() && lacks_columns(tensor.tile))
      gather_columns(*columns_, cuts_[next_cut++], tensor.data.as<float>(), buffer_.get(), scratch_);
    for (; next_stretch < stretches_.size() && stretches_[next_stretch].dataset == dataset; ++next_stretch) try {
        if (!failure) writer.write(stretches_[next_stretch]);
      } catch (...) {
        failure = std::current_exception();
      }
  }
  try {
    if (failure) std::rethrow_exception(failure);
    written.set_value({writer.finish(), 0});
  } catch (...) {
    written.set_exception(std::current_exception());
  }
  return written.get_future();
}

/// One look of all ranks at all threads, and what follows from it.
void Saver::advance() {
  const std::uint8_t mine = save_->waits_for_nothing() ? 1 : 0;
  std::vector<std::uint8_t> all(static_cast<std::size_t>(ranks_->size()));
  ranks_->all_gather<std::uint8_t>({&mine, 1}, all, "state of the checkpoint");
  if (std::find(all.begin(), all.end(), 0) != all.end()) return;
  if (save_->tiles_written) {
    comm::together(*ranks_, "checkpoint published", [&] {
      if (ranks_->rank() == 0) save_->work_seconds += save_->published.get();
    });
    save_->is_published = true;
    return;
  }
  Written written;
  comm::together(*ranks_, "tiles of the checkpoint written", [&] { written = save_->written.get(); });
  // Publishing begins when the slowest has written.
  save_->work_seconds = ranks_->max(save_->work_seconds + written.seconds, "time of the checkpoint");
  const std::vector<std::uint64_t> sums = add_over_ranks(*ranks_, written.sums, "checksums of the checkpoint");
  comm::together(*ranks_, "checksums of the checkpoint written", [&] {
    if (ranks_->rank() != 0) return;
    settings_.may_publish();
    save_->file->set_sums(sums);
    save_->published = std::async(std::launch::async, [this] {
      const base::Clock::time_point start = base::Clock::now();
      publish();
      return base::seconds_since(start);
    });
  });
  save_->tiles_written = true;
}

/// Rank 0.
void Saver::publish() const {
  save_->file->publish();
  try {
    for (const std::string& file : dispensable(settings_.dir, save_->step, settings_.retention)) fs::remove(file);
  } catch (const std::exception&) {  // the checkpoint is saved; the next one tries again
  }
}

std::optional<Saved> Saver::poll() {
  if (!save_) return std::nullopt;
  return guarded([&] { advance(); });
}

std::optional<Saved> Saver::finish() {
  orders_.bytes_per_second = 0;
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
