// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"

namespace tessera::config {

/// Ranks along each axis.
struct Layout {
  int data = 1, pipeline = 1, tensor = 1;
  bool operator==(const Layout&) const = default;
};

/// How [parallel] shares out a job of `ranks` ranks. `config` must be valid for as many.
Layout layout_of(const Config& config, int ranks);

/// Micro-batches into which a data rank cuts its share of a batch of `batch` sequences, or 0 while optim.micro_batch is
/// auto.
std::int64_t num_micro_batches(const Config& config, const Layout& layout, std::int64_t batch);

/// "data 2, pipeline 4 (interleaved, 2 virtual stages), tensor 2 (sequence), zero 1, wire fp32, reduce ordered"
std::string describe(const ParallelConfig& parallel, const Layout& layout);

}  // namespace tessera::config
