// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/bench_report.hpp"
#include "train/replica.hpp"

namespace tessera::tools {

/// Both ways of adding this run's own gradients over the data axis, as configured otherwise, with nothing to hide
/// behind. mpi adds in fp32 whatever parallel.wire is, and all rows whatever parallel.zero is. Gradients are lost, and
/// work space like that of the replica's own sums is used. Collective over the mesh.
GradientSumSeconds measure_gradient_sums(train::Replica& replica);

}  // namespace tessera::tools
