// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "comm/mesh_shape.hpp"
#include "config/config.hpp"

namespace tessera::plan {

/// Bytes that a rank sends over each axis in one training step: exactly what the transport counts.
struct Traffic {
  std::uint64_t data = 0, tensor = 0, pipeline = 0;
  std::uint64_t total() const { return data + tensor + pipeline; }
  bool operator==(const Traffic&) const = default;
};

/// Of the rank at `at`, in a step of optim.batch sequences. `config` must be resolved and valid for the mesh. Pure.
/// Per micro-batch of R rows a tensor rank takes part, for each block, in two sums of [R, H] forward and two backward
/// (Shoeybi et al. 2019), with sequence parallelism in as many gathers too (Korthikanti et al. 2022).
/// `data_ranks_per_node`: as GradientSync::ranks_per_node() finds it; 1 if the data ranks add in one level.
Traffic predict_traffic(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at,
                        int data_ranks_per_node = 1);

/// Of the rank that sends most. Pure.
Traffic most_traffic(const config::Config& config, const comm::MeshShape& mesh);

/// "messages a rank and step: data axis 1.2 GiB, tensor axis 0 B, pipeline axis 12.0 MiB"
std::string describe(const Traffic& traffic);

/// Bytes of weights, gradients and moments that the rank holds, without the padding of its memory to whole cache lines:
/// formulas of their own, apart from the code that carves the memory. `padding`: at most so much more is resident.
struct StateBytes {
  std::uint64_t weights = 0, gradients = 0, moments = 0, padding = 0;
};
StateBytes predict_state(const config::Config& config, const comm::MeshShape& mesh, const comm::Coordinates& at);

}  // namespace tessera::plan
