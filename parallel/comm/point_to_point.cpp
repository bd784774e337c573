// SPDX-License-Identifier: Apache-2.0
#include <exception>

#include "comm/mpi_check.hpp"

namespace tessera::comm {
namespace {

// A long message starts with a short part, whose arrival shows that it moves and is worth all of the core.
constexpr std::size_t kLongBytes = std::size_t{256} << 10, kHeadBytes = std::size_t{64} << 10;

/// Calls post(offset, bytes) for each part of a message of `size` bytes, the same parts on both ends.
template <class Post>
void for_each_message(std::size_t size, Post post) {
  const std::size_t head = size > kLongBytes ? kHeadBytes : 0;
  if (head > 0) post(std::size_t{0}, static_cast<int>(head));
  for_each_part(size - head, [&](std::size_t offset, int bytes) { post(head + offset, bytes); });
}

}  // namespace
Request::Request() = default;
Request::Request(Request&&) noexcept = default;

Request& Request::operator=(Request&& other) noexcept {
  if (pending()) std::terminate();  // its buffer would be written behind the caller's back
  state_ = std::move(other.state_);
  return *this;
}

Request::~Request() {
  // While an error unwinds the process is about to abort; otherwise losing a message in flight is a bug of the caller.
  if (pending() && std::uncaught_exceptions() == 0) std::terminate();
}

bool Request::pending() const {
  return state_ != nullptr && !state_->parts.empty();
}

Request Communicator::isend_bytes(std::span<const std::byte> data, int to, int tag) const {
  Request request;
  request.state_ = std::make_unique<RequestState>();
  for_each_message(data.size(), [&](std::size_t offset, int bytes) {
    MPI_Request part = MPI_REQUEST_NULL;
    check(MPI_Isend(data.data() + offset, bytes, MPI_BYTE, to, tag, handle_->comm, &part), "MPI_Isend");
    request.state_->parts.push_back(part);
  });
  bytes_sent_ += data.size();
  return request;
}

Request Communicator::ireceive_bytes(std::span<std::byte> data, int from, int tag) const {
  Request request;
  request.state_ = std::make_unique<RequestState>();
  for_each_message(data.size(), [&](std::size_t offset, int bytes) {
    MPI_Request part = MPI_REQUEST_NULL;
    check(MPI_Irecv(data.data() + offset, bytes, MPI_BYTE, from, tag, handle_->comm, &part), "MPI_Irecv");
    request.state_->parts.push_back(part);
  });
  return request;
}

}  // namespace tessera::comm
