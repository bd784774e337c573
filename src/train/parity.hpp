// SPDX-License-Identifier: Apache-2.0
// Comparison of one layout of ranks with one process: what `tessera selftest` and the tests run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fault.hpp"
#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "tensor/device.hpp"
#include "train/batch_source.hpp"

namespace tessera::train {

/// Bytes of one rank: resident, and sent over each axis in one training step.
struct RankBytes {
  std::uint64_t weights = 0, gradients = 0, moments = 0;
  std::uint64_t data_axis = 0, tensor_axis = 0, pipeline_axis = 0;
  std::int64_t data_ranks_per_node = 1;  ///< on which the bytes of the data axis depend
  bool operator==(const RankBytes&) const = default;
};

/// What a short training run leaves for comparison: global tensors, put together from the tiles of all ranks.
struct ParityRecord {
  std::vector<std::string> names;                   ///< parameters, in the order of parameter_specs
  std::vector<std::vector<float>> initial_weights;  ///< per parameter
  std::vector<std::vector<float>> first_gradients;  ///< of step 1, summed over ranks, before clipping by norm
  std::vector<std::vector<float>> weights;          ///< after the last step
  std::vector<double> losses, grad_norms;           ///< per step
  std::vector<std::uint64_t> samples;               ///< global sample indices of all steps, over all ranks, sorted
  double sum_of_lr = 0;
  bool ranks_equal = false;      ///< copies of the last weights have the same bits on every rank that holds some
  std::vector<RankBytes> bytes;  ///< by place: measured, messages where the transport counts them
};

/// Trains config.run.steps steps on the mesh. Collective; every rank gets a full record.
ParityRecord record_run(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config,
                        const TokenMixture& tokens, base::Fault fault = base::Fault::none);

/// Bounds of the contract. bf16: first-step gradients and losses only, as each layout rounds elsewhere.
struct ParityBounds {
  double gradient, grad_norm, loss, weight;
};
inline constexpr ParityBounds fp32_bounds{1e-5, 1e-4, 2e-6, 1e-4}, bf16_bounds{2e-2, 2e-2, 3e-3, 0.2};
/// fp32 with parallel.wire = bf16: parts of gradients, rounded to 8 bits, are off by up to 2^-9 of themselves, and more
/// of a sum in which they cancel. Measured: 3e-3, 3e-4, 2e-6, 1e-2.
inline constexpr ParityBounds bf16_wire_bounds{1e-2, 2e-3, 2e-5, 0.1};

/// Largest differences between a layout and one process, each with its bound.
struct ParityResult {
  bool initial_equal = false, samples_equal = false;
  bool ranks_equal = false;  ///< copies within the layout, bit for bit
  double gradient = 0;  ///< largest relative L2 difference of a first-step gradient; key biases by an absolute floor
  std::string gradient_name;
  double grad_norm = 0;  ///< largest relative difference
  double loss = 0;       ///< largest relative difference
  double weight = 0;     ///< largest absolute difference / sum of learning rates
  bool bit_equal = false;
  bool passed(const ParityBounds& bounds) const;
};

ParityResult compare(const ParityRecord& layout, const ParityRecord& one_process);

/// Gradient norm that clips in the first steps of the tiny model, and largest element likewise.
inline constexpr double parity_clip_norm = 0.5, parity_clip_value = 0.01;

/// Sequences a step of parity runs: a multiple of all that a layout may ask for.
inline constexpr std::int64_t parity_batch = 16;

/// The tiny model that layouts are compared on: Adam's epsilon 1e-5 and lr 1e-3, so that rounding of gradients that are
/// zero mathematically is not blown up. Vocabulary (of the bytes tokenizer), heads and layers divide by no number of
/// ranks. One sequence a micro-batch.
config::Config parity_config();

}  // namespace tessera::train
