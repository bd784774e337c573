// SPDX-License-Identifier: Apache-2.0
#include "pipeline/tied_embedding.hpp"

#include <algorithm>
#include <vector>

#include "tensor/ops.hpp"

namespace tessera::pipeline {

namespace {
constexpr int kTag = 1 << 13;                           // above those of the runner, of up to 4096 parts
constexpr std::int64_t kPiece = std::int64_t{1} << 20;  // elements: bounds the work space
}  // namespace

void sum_ends(const comm::Communicator& axis, tensor::Device& device, tensor::View gradient) {
  const int other = axis.rank() == 0 ? axis.size() - 1 : 0;
  const tensor::View flat = gradient.reshaped({gradient.num_elements()});
  std::vector<float> received(static_cast<std::size_t>(std::min(kPiece, flat.num_elements())));
  for (std::int64_t first = 0; first < flat.num_elements(); first += kPiece) {
    const tensor::View mine = flat.rows(first, std::min(kPiece, flat.num_elements() - first));
    const tensor::View theirs(received.data(), mine.shape());
    comm::Request receive = axis.ireceive(theirs.span<float>(), other, kTag);
    comm::Request send = axis.isend(std::span<const float>(mine.span<float>()), other, kTag);
    axis.wait(receive, "gradient of the tied embedding");
    axis.wait(send, "gradient of the tied embedding");
    tensor::add(device, mine, theirs, mine);
  }
}

void copy_to_last(const comm::Communicator& axis, tensor::View values) {
  const int last = axis.size() - 1;
  comm::Request request;
  if (axis.rank() == 0) request = axis.isend(std::span<const float>(values.span<float>()), last, kTag);
  if (axis.rank() == last) request = axis.ireceive(values.span<float>(), 0, kTag);
  axis.wait(request, "copy of the tied embedding");
}

}  // namespace tessera::pipeline
