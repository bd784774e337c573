// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <cassert>
#include <chrono>
#include <cstdlib>
#include <fmt/core.h>
#include <thread>
#include <utility>

#include "comm/mpi_check.hpp"

namespace tessera::comm {
namespace {

MPI_Comm with_returned_errors(MPI_Comm comm) {
  check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  return comm;
}

struct Group {
  MPI_Group group = MPI_GROUP_NULL;
  explicit Group(MPI_Comm comm) { check(MPI_Comm_group(comm, &group), "MPI_Comm_group"); }
  ~Group() {
    if (MPI_Group_free(&group) != MPI_SUCCESS) fmt::print(stderr, "warning: MPI_Group_free failed\n");
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
};

/// The rank in `whole` of rank 0 of `part`.
int first_rank_of(MPI_Comm part, MPI_Comm whole) {
  const Group from(part), to(whole);
  const int zero = 0;
  int rank = MPI_UNDEFINED;
  check(MPI_Group_translate_ranks(from.group, 1, &zero, to.group, &rank), "MPI_Group_translate_ranks");
  return rank;
}

}  // namespace

Communicator::Handle::~Handle() {
  if (comm == MPI_COMM_NULL) return;
  const int code = MPI_Comm_free(&comm);
  if (code != MPI_SUCCESS) fmt::print(stderr, "warning: MPI_Comm_free returned {}\n", code);
}

Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;

/// Reads rank, size, host and node facts of a communicator just made.
void Communicator::adopt(std::unique_ptr<Handle> handle) {
  handle_ = std::move(handle);
  check(MPI_Comm_rank(handle_->comm, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(handle_->comm, &size_), "MPI_Comm_size");
  char name[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
  host_.assign(name, static_cast<std::size_t>(length));
  Handle node;
  check(MPI_Comm_split_type(handle_->comm, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node.comm),
        "MPI_Comm_split_type");
  check(MPI_Comm_rank(node.comm, &node_rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(node.comm, &node_size_), "MPI_Comm_size");
  node_ = first_rank_of(node.comm, handle_->comm);
}

Communicator Communicator::world(double timeout_seconds) {
  auto handle = std::make_unique<Handle>();
  check(MPI_Comm_dup(MPI_COMM_WORLD, &handle->comm), "MPI_Comm_dup");
  with_returned_errors(handle->comm);
  Communicator world;
  world.timeout_seconds_ = timeout_seconds;
  world.name_ = "all ranks";
  world.adopt(std::move(handle));
  return world;
}

Communicator Communicator::split(int color, int key) const {
  auto handle = std::make_unique<Handle>();
  check(MPI_Comm_split(handle_->comm, color < 0 ? MPI_UNDEFINED : color, key, &handle->comm), "MPI_Comm_split");
  Communicator group;
  group.name_ = name_.starts_with("part of ") ? name_ : "part of " + name_;
  group.timeout_seconds_ = timeout_seconds_;
  group.poll_hook_ = poll_hook_;
  group.watchers_ = watchers_;
  group.size_ = 0;
  if (handle->comm == MPI_COMM_NULL) return group;
  with_returned_errors(handle->comm);
  group.adopt(std::move(handle));
  return group;
}

void Communicator::abort(int code) const {
  // MPI_Abort waits in turn, for a daemon or for locks of a rank that was stopped: it gets a moment.
  constexpr auto kGrace = std::chrono::seconds(5);
  std::thread([code, kGrace] {
    std::this_thread::sleep_for(kGrace);
    std::_Exit(code);
  }).detach();
  const int result = MPI_Abort(MPI_COMM_WORLD, code);
  fmt::print(stderr, "MPI_Abort returned {}\n", result);
  std::_Exit(code);
}

}  // namespace tessera::comm
