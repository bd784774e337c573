// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "comm/communicator.hpp"
#include "tensor/device.hpp"

namespace tessera::data_parallel {

/// Sums one flat gradient buffer over the ranks of a data axis, bucket by bucket, while the last backward still runs.
/// Ordered reduction: in a bucket of n elements rank j owns shard j; every rank sends each shard to its owner, the
/// owner adds the P copies in fp32 in rank order, and sends the sum to all. Volume of a ring, bits that never change.
/// With one rank every function is a no-op.
///
/// Buffer layout: gradients of parameters in the order of parameter_specs; backward finishes them from the end of the
/// buffer to its start, so buckets are cut from the end. Called by all ranks of the group with buffers of one size.
class GradientSync {
 public:
  /// `bucket_bytes`: bytes of gradient reduced together. Allocates receive buffers for all buckets once.
  GradientSync(const comm::Communicator& group, tensor::Device& device, std::span<float> gradient,
               std::int64_t bucket_bytes);
  ~GradientSync();

  /// Everything from element `first` to the end of the buffer is final for this step: starts the buckets that lie in it
  /// and makes progress on those in flight. `first` never grows within a step.
  void ready(std::int64_t first);
  /// Progress without blocking.
  void progress();
  /// Starts what is left and waits: afterwards the buffer holds the sum on every rank. Ready for the next step.
  void finish();

  double wait_seconds() const;  ///< time spent in finish() since construction: communication that was not hidden
  double busy_seconds() const;  ///< time from each step's first bucket to its end, since construction

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tessera::data_parallel
