// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/stopwatch.hpp"
#include "comm/communicator.hpp"
#include "comm/sign_of_life.hpp"

namespace tessera::comm {

/// Tells the other ranks about once a second, through a small file, that this rank lives and what it does; a wait that
/// takes too long reads those of all ranks and names the one that lags. Communicator::wait does both while this lives,
/// for `ranks` and all that is split from them. A rank beats while it waits and when it goes on: one that computes for
/// long, or was stopped, is silent. A sign that cannot be written is left out, as training is worth more.
///
/// Every sign opens, writes and closes the file, which makes it seen on other hosts (NFS) without waiting for a disk.
class Heartbeat {
 public:
  /// Collective over `ranks`, whose numbers are those in messages: rank 0 makes `folder` and removes what a killed run
  /// left in it. `ranks` must outlive this. Throws base::SharedError if the folder cannot be written.
  Heartbeat(const Communicator& ranks, std::string folder);
  /// At a regular end removes this rank's file, and the folder with the last one. While an error unwinds all stay.
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// The step that this rank works on from now on; -1 before the first.
  void set_step(std::int64_t step);

  // Of Communicator::wait. No system call but once a second.
  void wait_begins(const char* what, const std::string& group);
  void wait_goes_on(base::Clock::time_point now);
  void wait_ends();
  /// Watches all ranks for two seconds and returns the message that names the one that lags.
  std::string give_up(double waited_seconds, double timeout_seconds);

 private:
  void publish();
  std::string path_of(int rank) const;
  std::optional<SignOfLife> read(int rank) const;

  const Communicator& ranks_;
  std::string folder_;
  SignOfLife sign_;
  bool waiting_published_ = false;
  base::Clock::time_point published_{};
  int exceptions_;  // in flight when this was made
};

}  // namespace tessera::comm
