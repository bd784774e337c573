// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "comm/mpi_check.hpp"

namespace tessera::comm {

double Communicator::sum(double value, const char* what) const {
  std::vector<double> all(static_cast<std::size_t>(size_));
  all_gather<double>({&value, 1}, all, what);
  double total = 0;
  for (const double one : all) total += one;  // rank order: the same bits everywhere
  return total;
}

void Communicator::sum(std::span<double> values, const char* what) const {
  if (size_ == 1) return;
  std::vector<double> all(values.size() * static_cast<std::size_t>(size_));
  all_gather<double>(values, all, what);
  std::copy_n(all.begin(), values.size(), values.begin());
  for (std::size_t i = values.size(); i < all.size(); ++i) values[i % values.size()] += all[i];
}

Request Communicator::iall_reduce(std::span<float> values) const {
  Request request;
  if (size_ == 1) return request;
  request.state_ = std::make_unique<RequestState>();
  request.state_->moves = true;  // nothing shows when it does
  for_each_part(values.size(), [&](std::size_t offset, int count) {
    MPI_Request part = MPI_REQUEST_NULL;
    check(MPI_Iallreduce(MPI_IN_PLACE, values.data() + offset, count, MPI_FLOAT, MPI_SUM, handle_->comm, &part),
          "MPI_Iallreduce");
    request.state_->parts.push_back(part);
  });
  const auto others = static_cast<std::uint64_t>(size_ - 1);
  bytes_sent_ += 2 * others * values.size_bytes() / (others + 1);
  return request;
}

double Communicator::max(double value, const char* what) const {
  std::vector<double> all(static_cast<std::size_t>(size_));
  all_gather<double>({&value, 1}, all, what);
  return *std::max_element(all.begin(), all.end());
}

}  // namespace tessera::comm
