// SPDX-License-Identifier: Apache-2.0
#include "faults/shim_state.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tessera::faults {
namespace {

using Kind = Operation::Kind;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::int64_t number(const char* name, std::int64_t otherwise) {
  const std::string text = variable(name);
  return text.empty() ? otherwise : std::strtoll(text.c_str(), nullptr, 10);
}

ShimSettings from_environment() {
  ShimSettings settings;
  settings.folder = variable("TESSERA_FAULT_FOLDER");
  settings.shared = variable("TESSERA_FAULT_SHARED");
  settings.log = variable("TESSERA_FAULT_LOG");
  const auto point = std::find(point_names.begin(), point_names.end(), variable("TESSERA_FAULT_POINT"));
  if (point != point_names.end()) settings.point = static_cast<Point>(point - point_names.begin());
  settings.step = number("TESSERA_FAULT_STEP", 0);
  settings.rank = static_cast<int>(number("TESSERA_FAULT_RANK", -1));
  settings.tile = static_cast<std::uint64_t>(number("TESSERA_FAULT_TILE", 0));
  settings.order = static_cast<std::uint64_t>(number("TESSERA_FAULT_ORDER", 0));
  settings.victim = variable("TESSERA_FAULT_VICTIM");
  settings.quota_bytes = number("TESSERA_FAULT_QUOTA", -1);
  settings.no_reserving = number("TESSERA_FAULT_NO_RESERVING", 0) != 0;
  settings.read_only = variable("TESSERA_FAULT_READ_ONLY");
  settings.failing_sync = static_cast<std::uint64_t>(number("TESSERA_FAULT_SYNC", 0));
  settings.delayed = variable("TESSERA_FAULT_DELAYED");
  settings.delay_microseconds = static_cast<std::uint64_t>(number("TESSERA_FAULT_DELAY", 0));
  return settings;
}

/// The system's own open, which no shim sees.
int open_unseen(const std::string& path, int flags) {
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, 0600));
}

[[noreturn]] void give_up(const char* what) {
  const std::string text = std::string("error: fault shim: ") + what + "\n";
  ::syscall(SYS_write, 2, text.data(), text.size());
  std::_Exit(99);
}

/// By itself: what an open file does was decided when it was opened.
bool changes_files(const Operation& operation) {
  if (operation.kind == Kind::close || operation.kind == Kind::sync) return false;
  return operation.kind != Kind::open || (operation.flags & O_ACCMODE) != O_RDONLY ||
         (operation.flags & (O_CREAT | O_TRUNC)) != 0;
}

/// The first block is written in the same way as tiles, but lies at the beginning.
bool is_tile(const Handle& handle, std::int64_t offset) {
  return handle.step() && !handle.is_of_hdf5() && offset > 0;
}

}  // namespace

bool Handle::is_of_hdf5() const {
  return (flags & O_ACCMODE) == O_RDWR;
}

Shim& Shim::instance() {
  static Shim* const shim = new Shim;
  return *shim;
}

Shim::Shim() : settings_(from_environment()) {
  if (settings_.folder.empty()) return;
  rank_ = static_cast<int>(number("OMPI_COMM_WORLD_RANK", 0));
  if (rank_ >= max_ranks) give_up("more ranks than the shared page has room for");
  const int file = open_unseen(settings_.shared, O_RDWR);
  void* memory =
      file < 0 ? MAP_FAILED : ::mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) give_up("TESSERA_FAULT_SHARED cannot be mapped");
  ::syscall(SYS_close, file);
  page_ = static_cast<SharedPage*>(memory);
  std::int32_t nobody = 0;
  page_->pids[rank_].compare_exchange_strong(nobody, ::getpid());
  if (settings_.log.empty()) return;
  log_ = open_unseen(settings_.log + "/rank-" + std::to_string(rank_), O_WRONLY | O_CREAT | O_APPEND);
  if (log_ < 0) give_up("TESSERA_FAULT_LOG is no folder that can be written");
}

std::string Shim::watched(int folder, const char* path) const {
  if (settings_.folder.empty()) return "";
  std::string full = path;
  if (!full.starts_with('/')) {
    char name[4096] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(folder);
    const bool known = folder == AT_FDCWD ? ::getcwd(name, sizeof name) != nullptr
                                          : ::readlink(link.c_str(), name, sizeof name - 1) > 0;
    if (!known) return "";
    full = std::string(name) + "/" + full;
  }
  full = std::filesystem::path(full).lexically_normal().string();
  if (full.ends_with('/')) full.pop_back();
  return full == settings_.folder || full.starts_with(settings_.folder + "/") ? full : "";
}

std::shared_ptr<Handle> Shim::find(int descriptor) {
  const std::lock_guard lock(mutex_);
  const auto at = handles_.find(descriptor);
  return at == handles_.end() ? nullptr : at->second;
}

void Shim::add(int descriptor, const Operation& open) {
  const std::lock_guard lock(mutex_);
  handles_[descriptor] = std::make_shared<Handle>(Handle{open.begin, open.path, open.flags});
}

void Shim::forget(int descriptor) {
  const std::lock_guard lock(mutex_);
  handles_.erase(descriptor);
}

Operation Shim::operation(Kind kind, const Handle& handle) const {
  Operation result = operation(kind, handle.path);
  result.handle = handle.id;
  return result;
}

Operation Shim::operation(Kind kind, std::string path) const {
  Operation result;
  result.kind = kind;
  result.rank = rank_;
  result.path = std::move(path);
  return result;
}

int Shim::begin(Operation& operation, const Handle* handle) {
  const std::lock_guard lock(mutex_);
  if (const int error = refusal(operation)) {
    if (error != EOPNOTSUPP) ++page_->faults;
    return error;
  }
  operation.begin = next();
  const auto step = step_of_temporary(operation.path);
  if (operation.kind == Kind::sync && (step || flushes_rename(operation))) {
    if (step && handle && handle->tiles_written) at(Point::tiles_written, step);
    if (step && sealed_step_ == step) at(Point::before_fsync, step);
    if (++page_->syncs == settings_.failing_sync) {
      ++page_->faults;
      return EIO;
    }
  }
  if (operation.kind == Kind::close && handle && handle->is_of_hdf5() && handle->written && step == page_->tile_step)
    at(Point::sums_written, step);
  if (operation.kind == Kind::rename) at(Point::before_rename, step);
  if (operation.kind == Kind::unlink && step_in(operation.path)) at(Point::before_prune, renamed_step_);
  return 0;
}

bool Shim::begin_write(Operation& operation, Handle& handle) {
  hold_up();
  const std::lock_guard lock(mutex_);
  operation.begin = next();
  handle.written = true;
  if (!is_tile(handle, operation.offset)) return false;
  const std::int64_t step = *handle.step();
  if (tile_step_ != step) {
    tile_step_ = step;
    tiles_ = 0;
    at(Point::laid_out, step);
  }
  page_->tile_step = step;
  handle.tiles_written = true;
  page_->tiles[rank_] = ++tiles_;
  return settings_.point == Point::tiles_half && settings_.step == step && tiles_ == settings_.tile + 1 &&
         (settings_.rank < 0 || settings_.rank == rank_);
}

void Shim::end(Operation& operation, Handle* handle, std::int64_t result) {
  const std::lock_guard lock(mutex_);
  operation.result = result;
  operation.end = next();
  if (logs()) {
    const std::string bytes = to_bytes(operation);
    if (::syscall(SYS_write, log_, bytes.data(), bytes.size()) != static_cast<long>(bytes.size()))
      give_up("the log cannot be written");
  }
  if (result < 0) return;
  const auto step = step_of_temporary(operation.path);
  switch (operation.kind) {
    case Kind::open:
      if (step && (operation.flags & O_CREAT) != 0) at(Point::created, step);
      break;
    case Kind::write:
      if (step && operation.offset == 0 && !handle->is_of_hdf5()) {
        sealed_step_ = *step;
        at(Point::sealed, step);
      }
      break;
    case Kind::sync:
      if (handle && handle->tiles_written) at(Point::tiles_synced, step);
      if (flushes_rename(operation)) {
        if (page_->published_step < renamed_step_) page_->published_step = renamed_step_;
        at(Point::published, renamed_step_);
      }
      break;
    case Kind::rename:
      if (!step || !step_in(operation.target)) break;
      renamed_step_ = *step;
      renamed_folder_ = std::filesystem::path(operation.target).parent_path().string();
      at(Point::renamed, step);
      break;
    case Kind::unlink:
      if (step_in(operation.path)) at(Point::pruned, renamed_step_);
      break;
    default:
      break;
  }
}

bool Shim::flushes_rename(const Operation& operation) const {
  return operation.kind == Kind::sync && renamed_step_ > 0 && operation.path == renamed_folder_;
}

int Shim::refusal(const Operation& operation) const {
  if (operation.kind == Kind::allocate && settings_.no_reserving) return EOPNOTSUPP;
  if (operation.kind == Kind::allocate && settings_.quota_bytes >= 0 &&
      page_->bytes_written + static_cast<std::uint64_t>(operation.offset) >
          static_cast<std::uint64_t>(settings_.quota_bytes))
    return ENOSPC;
  if (settings_.read_only.empty() || !changes_files(operation)) return 0;
  return settings_.read_only == "EACCES" ? EACCES : EROFS;
}

std::size_t Shim::room_for(std::size_t size) {
  const std::uint64_t before = page_->bytes_written.fetch_add(size);
  if (settings_.quota_bytes < 0) return size;
  const auto quota = static_cast<std::uint64_t>(settings_.quota_bytes);
  if (before + size <= quota) return size;
  ++page_->faults;
  return before < quota ? quota - before : 0;
}

void Shim::hold_up() const {
  if (settings_.delayed != "all" && settings_.delayed != std::to_string(rank_)) return;
  ++page_->delays;
  const auto microseconds = static_cast<long>(settings_.delay_microseconds);
  const timespec time{microseconds / 1000000, microseconds % 1000000 * 1000};
  ::nanosleep(&time, nullptr);
}

void Shim::at(Point point, std::optional<std::int64_t> step) {
  if (settings_.point != point || step != settings_.step) return;
  if (settings_.rank < 0 || settings_.rank == rank_) strike();
}

std::uint64_t Shim::next() {
  const std::uint64_t order = page_->order.fetch_add(1) + 1;
  if (order == settings_.order) strike();
  return order;
}

void Shim::strike() {
  if (page_->faults.fetch_add(1) > 0) return;  // once
  const std::string self = std::to_string(rank_);
  const std::string victim = settings_.victim == "self" ? self : settings_.victim;
  for (int rank = 0; rank < max_ranks; ++rank)
    if (rank != rank_ && page_->pids[rank] > 0 && (victim == "all" || victim == std::to_string(rank)))
      ::kill(page_->pids[rank], SIGKILL);
  if (victim == "all" || victim == self) ::kill(::getpid(), SIGKILL);
}

}  // namespace tessera::faults
