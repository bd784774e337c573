// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "data_parallel/sync_tensor.hpp"
#include "tensor/device.hpp"
#include "tensor/ops.hpp"

namespace tessera::data_parallel {

/// Sums gradients over the ranks of a data axis, bucket by bucket, while the last backward still runs.
/// Ordered reduction: every rank sends to each owner its copy of the owner's rows, the owner adds the copies in fp32 in
/// rank order, then either sends the sums to all (zero 0), or keeps them, updates its rows of the weights and sends
/// those (ZeRO-1 and 2; Rajbhandari et al. 2020). Volume of a ring, bits that never change. Where the group has the
/// same number g > 1 of ranks on each of several nodes it goes in two levels, inside the nodes and between them
/// (phases.hpp): the network carries 1/g of what it would, and sums are those of the nodes' sums, in node order. With
/// one rank every function is a no-op, but with zero 2 accumulators are = or += the own gradient.
///
/// All ranks of the group call ready(), settle(), finish() and gather_weights() in the same order; ready() and
/// progress() never block.
class GradientSync {
 public:
  /// Allocates buffer_bytes() once. `group`, `device` and the memory of the views must outlive the object. Collective.
  GradientSync(const comm::Communicator& group, tensor::Device& device, std::vector<SyncTensor> tensors,
               const SyncSettings& settings);
  ~GradientSync();

  /// The gradients of `group` are final for this reduction: starts every bucket all of whose groups are ready, and
  /// makes progress. zero 2: `accumulate` says whether accumulators are replaced or added to (first or later
  /// micro-batch of a step). zero 0 and 1: once for each group and step.
  void ready(int group, tensor::Accumulate accumulate = tensor::Accumulate::no);
  /// Waits until no bucket of `group` is in flight: its gradients may be overwritten (zero 2: several groups may share
  /// gradient memory).
  void settle(int group);
  /// Progress without blocking.
  void progress();
  /// Waits for all that is ready; every group must have been made ready. Afterwards: zero 0 all gradients hold the sum
  /// on every rank; zero 1 my rows of each gradient hold it, the other rows are undefined; zero 2 my accumulators do,
  /// gradients are undefined. Ready for the next step.
  void finish();
  /// zero >= 1: my rows of each weight to all data ranks, in the weight's own type. After finish().
  void gather_weights();

  /// As the settings say, or found: bytes_per_step() asks for it.
  int ranks_per_node() const;
  /// Seconds spent in settle(), finish() and gather_weights() since construction: communication that was not hidden.
  double wait_seconds() const;
  /// Seconds from each step's first bucket to its end, and of gather_weights(), since construction.
  double busy_seconds() const;

  /// Work space that the constructor allocates, the same on all ranks and wherever they lie: buffers for a few buckets
  /// in flight, each at most about twice a bucket on the wire (slot_room() in buckets.hpp). Views may be without
  /// memory.
  static std::size_t buffer_bytes(const std::vector<SyncTensor>& tensors, int ranks, const SyncSettings& settings);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Bytes that `rank` sends in a step over the data axis: exactly what Communicator::bytes_sent() counts.
/// `num_reductions`: 1, or the micro-batches with zero 2. settings.ranks_per_node: 0 means all ranks on one node. Views
/// may be without memory. Pure.
std::uint64_t bytes_per_step(const std::vector<SyncTensor>& tensors, int ranks, int rank, const SyncSettings& settings,
                             std::int64_t num_reductions);
/// Of those the bytes that leave the node of `rank` if each node has `node_size` consecutive ranks. Not with
/// mpi_reduce, whose ways MPI alone knows.
std::uint64_t network_bytes_per_step(const std::vector<SyncTensor>& tensors, int ranks, int rank,
                                     const SyncSettings& settings, std::int64_t num_reductions, int node_size);

}  // namespace tessera::data_parallel
