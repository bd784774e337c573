// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "comm/mesh_shape.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"

namespace tessera::plan {

/// Memory of one rank in bytes. Weights, gradients, moments, activations and the work space of our kernels come from
/// the code that carves the real buffers; what oneDNN holds is an estimate. `checkpoint` is the copy that checkpoints
/// are written from.
struct MemoryPlan {
  std::uint64_t weights = 0, gradients = 0, moments = 0, activations = 0, communication = 0, checkpoint = 0, work = 0,
                program = 0;
  std::uint64_t total() const {
    return weights + gradients + moments + activations + communication + checkpoint + work + program;
  }
};

/// The job that memory is predicted for.
struct MemoryQuestion {
  comm::MeshShape mesh{};           ///< of the ranks
  int threads = 1;                  ///< a rank
  std::uint64_t program_bytes = 0;  ///< resident before training allocates anything: program, libraries, MPI
};

/// For training, of the rank that needs most. `config` must be resolved (vocab and micro_batch > 0). Pure.
MemoryPlan predict_memory(const config::Config& config, const MemoryQuestion& question);

/// Bytes that saving checkpoints copies on the rank that holds these parameters (measured ones do). Pure.
std::uint64_t checkpoint_bytes(const config::Config& config, const model::Parameters& parameters);

/// One line for people: the sum and each part.
std::string describe(const MemoryPlan& plan);

}  // namespace tessera::plan
