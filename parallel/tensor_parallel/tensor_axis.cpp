// SPDX-License-Identifier: Apache-2.0
#include "tensor_parallel/tensor_axis.hpp"

#include <algorithm>
#include <vector>

#include "base/stopwatch.hpp"
#include "tensor/ops.hpp"

namespace tessera::tensor_parallel {
namespace {

using tensor::Range;
using tensor::View;

// Sums of one axis follow each other in the same order on all ranks, so one tag for each phase is enough.
constexpr int kSumTag = 0, kGatherTag = 1;

std::span<std::byte> bytes(const View& view) {
  return {static_cast<std::byte*>(view.data()), view.size_bytes()};
}

View part(const View& all, int ranks, int rank) {
  const Range rows = tensor::part_of(all.extent(0), ranks, rank);
  return all.rows(rows.first, rows.size);
}

}  // namespace

View TensorAxis::receive_buffer(base::DType dtype, tensor::Shape shape) {
  const std::size_t wanted = static_cast<std::size_t>(shape.num_elements()) * base::size_bytes(dtype);
  if (received_.size_bytes() < wanted) received_ = tensor::Arena(wanted);
  return {received_.data(), dtype, shape};
}

/// Every rank sends each part of its rows to the rank that owns them; the owner adds in rank order. Volume of a ring,
/// and bits that never change.
void TensorAxis::sum_rows(View partial) {
  const View mine = part(partial, size(), rank());
  View copies = receive_buffer(partial.dtype(), {size() * mine.extent(0), partial.extent(1)});
  std::vector<comm::Request> messages;
  std::vector<View> in_order;
  for (int other = 0; other < size(); ++other) {
    const View copy = copies.rows(other * mine.extent(0), mine.extent(0));
    in_order.push_back(other == rank() ? mine : copy);
    if (other != rank()) messages.push_back(group_->ireceive<std::byte>(bytes(copy), other, kSumTag));
  }
  for (int other = 0; other < size(); ++other)
    if (other != rank())
      messages.push_back(group_->isend<std::byte>(bytes(part(partial, size(), other)), other, kSumTag));
  {
    const base::Stopwatch waiting(wait_seconds_);
    for (comm::Request& message : messages) group_->wait(message, "sum of partial products");
  }
  tensor::sum_in_order(*device_, in_order, mine);
}

void TensorAxis::exchange_rows(View all) {
  std::vector<comm::Request> messages;
  for (int other = 0; other < size(); ++other)
    if (other != rank())
      messages.push_back(group_->ireceive<std::byte>(bytes(part(all, size(), other)), other, kGatherTag));
  for (int other = 0; other < size(); ++other)
    if (other != rank())
      messages.push_back(group_->isend<std::byte>(bytes(part(all, size(), rank())), other, kGatherTag));
  const base::Stopwatch waiting(wait_seconds_);
  for (comm::Request& message : messages) group_->wait(message, "gather of rows");
}

View TensorAxis::sum(View partial) {
  if (size() == 1 || fault_ == base::Fault::partial_sum) return own(partial);
  sum_rows(partial);
  if (!sequence_) exchange_rows(partial);
  return own(partial);
}

void TensorAxis::gather(View all) {
  if (sequence()) exchange_rows(all);
}

void TensorAxis::sum_gradients(std::span<const View> gradients) {
  if (!sequence() || fault_ == base::Fault::sequence_layernorm) return;
  std::int64_t elements = 0;
  for (const View& gradient : gradients) elements += gradient.num_elements();
  std::vector<float> packed;
  packed.reserve(static_cast<std::size_t>(elements));
  for (const View& gradient : gradients)
    packed.insert(packed.end(), gradient.as<float>(), gradient.as<float>() + gradient.num_elements());
  const View rows(packed.data(), {elements, 1});
  sum_rows(rows);
  exchange_rows(rows);
  const float* from = packed.data();
  for (const View& gradient : gradients) {
    std::copy_n(from, gradient.num_elements(), gradient.as<float>());
    from += gradient.num_elements();
  }
}

void TensorAxis::all_gather(View mine, View all) {
  if (size() == 1) {
    std::copy_n(static_cast<const std::byte*>(mine.data()), mine.size_bytes(), static_cast<std::byte*>(all.data()));
    return;
  }
  const base::Stopwatch waiting(wait_seconds_);
  group_->all_gather<std::byte>(bytes(mine), bytes(all), "statistics of the vocabulary's parts");
}

std::uint64_t gather_bytes(std::int64_t rows, std::int64_t columns, base::DType dtype, int ranks, int rank,
                           bool sequence) {
  if (!sequence || ranks == 1) return 0;
  const std::int64_t own = tensor::part_of(rows, ranks, rank).size;
  return static_cast<std::uint64_t>((ranks - 1) * own * columns) * base::size_bytes(dtype);
}

std::uint64_t sum_bytes(std::int64_t rows, std::int64_t columns, base::DType dtype, int ranks, int rank,
                        bool sequence) {
  if (ranks == 1) return 0;
  const std::int64_t others = rows - tensor::part_of(rows, ranks, rank).size;
  const std::uint64_t exchanged = static_cast<std::uint64_t>(others * columns) * base::size_bytes(dtype);
  return exchanged + (sequence ? 0 : gather_bytes(rows, columns, dtype, ranks, rank, true));
}

}  // namespace tessera::tensor_parallel
