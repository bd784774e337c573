// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"

namespace tessera::plan {

/// Memory of one rank in bytes. Weights, moments and activations are measured by the code that carves the real buffers.
struct MemoryPlan {
  std::uint64_t weights = 0, gradients = 0, moments = 0, activations = 0, communication = 0, program = 0;
  std::uint64_t total() const { return weights + gradients + moments + activations + communication + program; }
};

/// For training with `ranks` data ranks. `config` must be resolved (vocab and micro_batch > 0).
MemoryPlan predict_memory(const config::Config& config, int ranks);

/// A few lines for people: each part and the sum.
std::string describe(const MemoryPlan& plan);

}  // namespace tessera::plan
