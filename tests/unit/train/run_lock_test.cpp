// SPDX-License-Identifier: Apache-2.0
#include "train/run_lock.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <sys/resource.h>
#include <sys/wait.h>

#include "support/folder.hpp"

namespace tessera::train {
namespace {

namespace fs = std::filesystem;

/// A run folder whose training, on another host, has given no sign of life for an hour.
struct OldLock {
  testing::Folder folder;
  std::string run = folder / "run";

  OldLock() {
    const std::string lock = folder.write("run/lock",
                                          "{\"host\":\"elsewhere\",\"pid\":1,\"start_ticks\":1,\"job\":\"\","
                                          "\"restart\":\"\",\"since\":\"\"}\n");
    fs::last_write_time(lock, fs::last_write_time(lock) - std::chrono::hours(1));
  }
  bool is_seen_as_dead() const {
    const std::optional<LockSight> sight = look_at_lock(run);
    return sight && !sight->is_alive && sight->host == "elsewhere" && sight->age_seconds >= 3590;
  }
  std::ptrdiff_t num_files() const { return std::distance(fs::directory_iterator(run), {}); }
};

/// Whether `condition` holds in a process of its own.
bool holds_in_child(const std::function<bool()>& condition) {
  const pid_t child = ::fork();
  if (child == 0) {
    bool holds = false;
    try {
      holds = condition();
    } catch (...) {  // told by the exit code, as is false
    }
    ::_exit(holds ? 0 : 1);
  }
  int status = -1;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

BOOST_AUTO_TEST_SUITE(run_lock)

BOOST_FIXTURE_TEST_CASE(files_of_a_process_with_this_number_on_another_host_stay, OldLock) {
  const std::string pid = std::to_string(::getpid());
  const std::string probe = folder.write("run/lock.now." + pid, "of another host");
  const std::string moved = folder.write("run/lock.dead." + pid, "of another host");
  BOOST_TEST(is_seen_as_dead());
  std::string note;
  { const RunLock lock(run, note); }
  BOOST_TEST(note.find("is gone") != std::string::npos, note);
  BOOST_TEST(testing::read_bytes(probe) == "of another host");
  BOOST_TEST(testing::read_bytes(moved) == "of another host");
  BOOST_TEST(num_files() == 2);
}

BOOST_FIXTURE_TEST_CASE(a_folder_that_is_not_ours_to_write_to_is_looked_at, OldLock) {
  fs::permissions(run, fs::perms(0555));
  const auto looks_as_ordinary_user = [&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
    return ::access(run.c_str(), W_OK) != 0 && is_seen_as_dead();
  };
  BOOST_TEST(holds_in_child(looks_as_ordinary_user));
  fs::permissions(run, fs::perms(0755));
  BOOST_TEST(num_files() == 1);
}

BOOST_FIXTURE_TEST_CASE(a_full_disk_leaves_no_file_behind, OldLock) {
  const auto looks_without_space = [&] {
    const rlimit none{0, 0};  // for bytes of files
    std::signal(SIGXFSZ, SIG_IGN);
    return ::setrlimit(RLIMIT_FSIZE, &none) == 0 && is_seen_as_dead();
  };
  BOOST_TEST(holds_in_child(looks_without_space));
  BOOST_TEST(num_files() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::train
