// SPDX-License-Identifier: Apache-2.0
// Comparison of one layout of ranks with one process: what `tessera selftest` and the tests run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "tensor/device.hpp"
#include "train/batch_source.hpp"

namespace tessera::train {

/// What a short training run leaves for comparison.
struct ParityRecord {
  std::vector<std::string> names;                   ///< parameters
  std::vector<std::vector<float>> initial_weights;  ///< per parameter
  std::vector<std::vector<float>> first_gradients;  ///< of step 1, summed over ranks, before clipping by norm
  std::vector<std::vector<float>> weights;          ///< after the last step
  std::vector<double> losses, grad_norms;           ///< per step
  std::vector<std::uint64_t> samples;               ///< global sample indices of all steps, over all ranks, sorted
  double sum_of_lr = 0;
  bool ranks_equal = false;  ///< the last weights have the same bits on every rank
};

/// Trains config.run.steps steps on `ranks`. Collective; every rank gets a full record.
ParityRecord record_run(const comm::Communicator& ranks, tensor::Device& device, const config::Config& config,
                        const TokenMixture& tokens);

/// Largest differences between a layout and one process, each with its bound.
struct ParityResult {
  bool initial_equal = false, samples_equal = false;
  bool ranks_equal = false;  ///< within the layout, bit for bit: no rank but the first is compared otherwise
  double gradient = 0;  ///< largest relative L2 difference of a first-step gradient; key biases by an absolute floor
  std::string gradient_name;
  double grad_norm = 0;  ///< largest relative difference
  double loss = 0;       ///< largest relative difference
  double weight = 0;     ///< largest absolute difference / sum of learning rates
  bool bit_equal = false;
  bool passed() const;
};

/// Bounds of the contract for fp32: first-step gradients 1e-5, gradient norms 1e-4, losses 2e-6, weights 1e-4 x sum of
/// rates.
struct ParityBounds {
  static constexpr double gradient = 1e-5, grad_norm = 1e-4, loss = 2e-6, weight = 1e-4;
};

ParityResult compare(const ParityRecord& layout, const ParityRecord& one_process);

/// The tiny model that layouts are compared on: Adam's epsilon 1e-5 and lr 1e-3, so that rounding of gradients that are
/// zero mathematically is not blown up. `batch` sequences a step; clipping by `clip_norm`, 0: off.
config::Config parity_config(std::int64_t vocab, std::int64_t batch, double clip_norm);

}  // namespace tessera::train
