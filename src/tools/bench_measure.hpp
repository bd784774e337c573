// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "tools/bench_report.hpp"
#include "train/replica.hpp"

namespace tessera::tools {

/// Takes `num_warmup` steps and then `num_measured` that count. Fills in all times of `figures`: seconds of a step and
/// of communication are those of the slowest rank, parts those of this one. Collective.
void measure_steps(train::Replica& replica, std::int64_t num_warmup, std::int64_t num_measured, BenchFigures& figures);

}  // namespace tessera::tools
