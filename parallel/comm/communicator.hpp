// SPDX-License-Identifier: Apache-2.0
// Messages between ranks. mpi.h stays in this room. MPI moves bytes; sums are made by our own kernels in rank order,
// but for iall_reduce, which hands them to the site's MPI.
// No message blocks inside MPI: each is posted non-blocking and awaited in one polling function (Communicator::wait),
// which yields the core, looks at the deadline and calls the poll hook. Only start and end of MPI and making and
// freeing a communicator are MPI's own collectives. Every return code is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tessera::base {
class Trace;
}

namespace tessera::comm {

/// MPI_Init / MPI_Finalize for the life of the program. One object, in main, outliving every Communicator.
class Environment {
 public:
  Environment(int& argc, char**& argv);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  /// "Open MPI v4.1.4, MPI 3.1"
  static std::string library_version();
};

class Heartbeat;
struct RequestState;  // MPI_Request behind a pointer

/// Messages in flight, completed by Communicator::wait or seen done by Communicator::test. Move-only. Destroying one
/// that is not complete is an error of the programmer (it terminates), as the buffer would be gone under MPI's feet.
class Request {
 public:
  Request();
  Request(Request&&) noexcept;
  Request& operator=(Request&&) noexcept;
  ~Request();
  bool pending() const;

 private:
  friend class Communicator;
  std::unique_ptr<RequestState> state_;
};

/// A group of ranks. Owns a duplicate of the MPI communicator (errors return, so that each code is checked).
/// A group of size 1 sends nothing. Unless stated, a call must be made by all ranks of the group, in the same order.
class Communicator {
 public:
  /// All ranks of the job. `timeout_seconds`: longest wait before Error names this rank and what it waited for.
  static Communicator world(double timeout_seconds);
  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;
  ~Communicator();

  int rank() const { return rank_; }
  int size() const { return size_; }
  const std::string& host() const { return host_; }
  /// Ranks of this group on this node, and this rank's number among them.
  int node_size() const { return node_size_; }
  int node_rank() const { return node_rank_; }
  /// The node of this rank: the lowest rank of this group on it.
  int node() const { return node_; }
  /// Names the group in messages: "all ranks", "tensor axis".
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }
  void set_timeout(double seconds) { timeout_seconds_ = seconds; }
  /// Called about every millisecond while wait() polls; may throw (a request to stop at once).
  void set_poll_hook(std::function<void()> hook) { poll_hook_ = std::move(hook); }

  /// Set by Heartbeat for its life, for this communicator and all it is related to by split(), made before or after.
  void set_heartbeat(Heartbeat* heartbeat) const { watchers_->heartbeat = heartbeat; }
  /// In the same way: waits are recorded there, with the name of the group, until nullptr is set.
  void set_trace(base::Trace* trace) const { watchers_->trace = trace; }

  /// Ranks of equal `color` form a new group, ordered by `key` (equal keys by rank), else by rank. color < 0: in no
  /// group (returns an empty communicator of size 0). The group inherits time-out and poll hook.
  Communicator split(int color, int key) const;
  Communicator split(int color) const { return split(color, rank_); }

  // Point to point: both ends name the same number of elements. Long messages are cut into several; any length will do.
  template <class T>
  Request isend(std::span<const T> data, int to, int tag) const {
    return isend_bytes(std::as_bytes(data), to, tag);
  }
  template <class T>
  Request ireceive(std::span<T> data, int from, int tag) const {
    return ireceive_bytes(std::as_writable_bytes(data), from, tag);
  }
  /// The one polling function. `what` names the operation in errors. After 5 ms it sleeps between polls. `category` is
  /// that of the wait in a trace; a literal.
  void wait(Request& request, const char* what, const char* category = "communication") const;
  /// Progress without blocking: true if `request` is complete.
  bool test(Request& request) const;

  // Collectives, made of the above.
  void barrier(const char* what) const;
  /// data of `root` to all.
  template <class T>
  void broadcast(std::span<T> data, int root, const char* what) const {
    broadcast_bytes(std::as_writable_bytes(data), root, what);
  }
  /// all [size * n] = the n elements of every rank, in rank order. Each rank sends (size - 1) * n elements.
  template <class T>
  void all_gather(std::span<const T> mine, std::span<T> all, const char* what) const {
    all_gather_bytes(std::as_bytes(mine), std::as_writable_bytes(all), what);
  }
  /// Sum of one double over ranks, added in rank order: the same bits on every rank and every run.
  double sum(double value, const char* what) const;
  /// Each of a few values = its sum over ranks, in rank order, in place; each rank sends them size - 1 times.
  void sum(std::span<double> values, const char* what) const;
  double max(double value, const char* what) const;
  /// Starts values = their sum over ranks, made by MPI itself: another library or layout may give other bits. Takes no
  /// tag: all ranks start these in the same order. Counts as the 2 (size - 1) / size times the bytes that an optimal
  /// algorithm sends, rounded down.
  Request iall_reduce(std::span<float> values) const;
  /// Every rank's text, in rank order (for error reports and tables).
  std::vector<std::string> gather_text(const std::string& mine, const char* what) const;
  std::string broadcast_text(const std::string& text, int root, const char* what) const;

  /// Ends all ranks of the job at once with `code`; never returns.
  [[noreturn]] void abort(int code) const;
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  Communicator() = default;
  Request isend_bytes(std::span<const std::byte> data, int to, int tag) const;
  Request ireceive_bytes(std::span<std::byte> data, int from, int tag) const;
  void broadcast_bytes(std::span<std::byte> data, int root, const char* what) const;
  void all_gather_bytes(std::span<const std::byte> mine, std::span<std::byte> all, const char* what) const;
  void gather_around_ring(std::span<const std::byte> mine, std::span<std::byte> all, const char* what) const;
  void gather_by_doubling(std::span<const std::byte> mine, std::span<std::byte> all, const char* what) const;

  struct Handle;  // MPI_Comm
  void adopt(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
  int rank_ = 0, size_ = 1, node_ = 0, node_rank_ = 0, node_size_ = 1;
  std::string host_, name_;
  double timeout_seconds_ = 600;
  std::function<void()> poll_hook_;
  struct Watchers {
    Heartbeat* heartbeat = nullptr;
    base::Trace* trace = nullptr;
  };
  std::shared_ptr<Watchers> watchers_ = std::make_shared<Watchers>();  // one for a communicator and all split from it
  mutable std::uint64_t bytes_sent_ = 0;
};

}  // namespace tessera::comm
