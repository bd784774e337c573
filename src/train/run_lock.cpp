// SPDX-License-Identifier: Apache-2.0
#include "train/run_lock.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fmt/core.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "json/json.hpp"

namespace tessera::train {
namespace {

constexpr auto kHeartbeat = std::chrono::seconds(10);
constexpr std::int64_t kDeadSeconds = 60;

/// Who holds a lock. Start ticks tell a process from a later one with the same number, the restart count a job that
/// Slurm requeued from its earlier life on other nodes.
struct Holder {
  std::string host, job, restart, since;
  std::int64_t pid = 0, start_ticks = 0;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

/// Clock ticks from the start of the system to that of a process, field 22 of /proc/PID/stat; 0 if there is none, or
/// what is left of one that nobody waited for.
std::int64_t start_ticks(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::size_t behind_name = text.rfind(')');  // the name may hold blanks
  if (behind_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(behind_name + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) {
    fields >> field;
    if (number == 3 && (field == "Z" || field == "X")) return 0;
  }
  return std::strtoll(field.c_str(), nullptr, 10);
}

Holder this_process() {
  Holder holder{host_name(), environment("SLURM_JOB_ID"), environment("SLURM_RESTART_COUNT"), "",
                ::getpid(),  start_ticks(::getpid())};
  char text[64] = {};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  if (::localtime_r(&now, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  holder.since = text;
  return holder;
}

std::string to_text(const Holder& holder) {
  json::Json object{json::Object{}};
  object.set("host", holder.host).set("pid", holder.pid).set("start_ticks", holder.start_ticks);
  object.set("job", holder.job).set("restart", holder.restart).set("since", holder.since);
  return object.dump() + "\n";
}

/// Without a pid if the text is not one of ours, as when it is being written.
Holder from_text(const std::string& text) {
  try {
    const json::Json object = json::parse(text, "lock");
    return {object.at("host").as_string(),  object.at("job").as_string(), object.at("restart").as_string(),
            object.at("since").as_string(), object.at("pid").as_int(),    object.at("start_ticks").as_int()};
  } catch (const base::Error&) {
    return {};
  }
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A name beside `path` that no other process has, on whatever host: process numbers alone are met twice.
std::string name_beside(const std::string& path, const char* purpose) {
  return fmt::format("{}.{}.{}.{}", path, purpose, host_name(), ::getpid());
}

/// Seconds since a file of this folder changed, by the clock of the file system: that of this host may differ.
std::int64_t age_seconds(const std::string& path) {
  const std::string probe = name_beside(path, "now");
  struct stat now {
  }, then{};
  bool known = false;
  try {
    base::PosixFile::create(probe).write_at(0, "\n", 1);
    known = ::stat(probe.c_str(), &now) == 0 && ::stat(path.c_str(), &then) == 0;
  } catch (const base::Error&) {
    ::unlink(probe.c_str());  // a full disk lets it be made
    throw;
  }
  ::unlink(probe.c_str());
  return known ? now.st_mtim.tv_sec - then.st_mtim.tv_sec : 0;
}

bool is_dead(const Holder& holder, const Holder& me, std::int64_t age) {
  if (holder.host == me.host)
    return (::kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH) ||
           start_ticks(holder.pid) != holder.start_ticks;
  if (!holder.job.empty() && holder.job == me.job && holder.restart != me.restart) return true;
  return std::abs(age) > kDeadSeconds;  // a time to come is of a clock that was set back
}

/// Seconds since a file changed by the clock of this host. A file that is opened has its times from the server, those
/// of stat() alone may be a minute old.
std::optional<std::int64_t> local_age_seconds(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  struct stat about {};
  const bool known = ::fstat(file, &about) == 0;
  ::close(file);
  return known ? std::optional<std::int64_t>(std::time(nullptr) - about.st_mtim.tv_sec) : std::nullopt;
}

std::string describe(const Holder& holder, std::int64_t age) {
  if (holder.pid == 0) return fmt::format("an unknown process, {} s ago", age);
  return fmt::format("process {} on {}{}, started {}, last sign of life {} s ago", holder.pid, holder.host,
                     holder.job.empty() ? "" : " (job " + holder.job + ")", holder.since, age);
}

/// Removes a dead lock, unless another process did so and took the folder since `text` was read.
void remove_dead(const std::string& path, const std::string& text) {
  const std::string moved = name_beside(path, "dead");
  if (std::rename(path.c_str(), moved.c_str()) != 0) {
    if (errno == ENOENT) return;  // gone already
    base::fail_usage("'{}', the lock of a process that is gone, cannot be removed: {}. Remove it", path,
                     std::strerror(errno));
  }
  if (read(moved) == text)
    ::unlink(moved.c_str());
  else
    std::rename(moved.c_str(), path.c_str());
}

bool create(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0 && errno == EEXIST) return false;
  const bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (file >= 0) ::close(file);
  if (written) return true;
  if (file >= 0) ::unlink(path.c_str());
  base::fail_usage("'{}' cannot be written: {}. Check free space and permissions of the run folder", path,
                   std::strerror(error));
}

}  // namespace

RunLock::RunLock(const std::string& dir, std::string& note, const std::string& key) : path_(dir + "/lock") {
  const Holder me = this_process();
  mine_ = to_text(me);
  while (!create(path_, mine_)) {
    const std::string text = read(path_);
    const Holder holder = from_text(text);
    const std::int64_t age = age_seconds(path_);
    if (holder.pid > 0 ? !is_dead(holder, me, age) : std::abs(age) <= kDeadSeconds)
      base::fail_usage(
          "{} = '{}' is in use by {}. Use another {}, or end that one first; if it is dead, wait a minute or remove "
          "'{}'",
          key, dir, describe(holder, age), key, path_);
    remove_dead(path_, text);
    note = fmt::format("took {} = '{}' over from {}: it is gone", key, dir, describe(holder, age));
  }
  heartbeat_ = std::jthread([this](const std::stop_token& stop) { renew(stop); });
}

RunLock::~RunLock() {
  heartbeat_ = {};  // ends before the file goes
  if (read(path_) == mine_) ::unlink(path_.c_str());
}

void RunLock::renew(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, stop, kHeartbeat, [&] { return stop.stop_requested(); }))
    if (read(path_) == mine_) ::utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
}

std::optional<LockSight> look_at_lock(const std::string& dir) {
  const std::string path = dir + "/lock";
  std::optional<std::int64_t> age = local_age_seconds(path);
  if (!age) return {};
  if (std::abs(*age) > kDeadSeconds) {
    try {
      age = age_seconds(path);
    } catch (const base::Error&) {  // a folder that is not ours to write to: the clocks are trusted
    }
  }
  const Holder holder = from_text(read(path));
  const bool alive = holder.pid > 0 ? !is_dead(holder, this_process(), *age) : std::abs(*age) <= kDeadSeconds;
  return LockSight{holder.host, holder.job, holder.since, holder.pid, *age, alive};
}

void RunLock::require_held() const {
  const std::string text = read(path_);
  if (text == mine_) return;
  if (text.empty()) base::fail("'{}' is gone: the run folder was moved or removed under this run", path_);
  base::fail("'{}' is not of this process any more, but of {}: this run stood still for so long that it looked dead",
             path_, describe(from_text(text), 0));
}

}  // namespace tessera::train
