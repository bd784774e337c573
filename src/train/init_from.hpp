// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "train/replica.hpp"
#include "train/setup.hpp"

namespace tessera::train {

/// Weights of a new run from a checkpoint: a file, a folder of them or a run folder (newest that is sound), written on
/// any mesh. Moments stay zero, the step 0; data, schedule, precision and mesh may be others. The model may be larger:
///   model.layers   layer l begins as layer l modulo the checkpoint's layers: the stack on top of itself (Gong et al.
///                  2019; Du et al. 2024 compare the ways to grow a model)
///   model.vocab    rows of new tokens stay as drawn from run.seed; the old tokens must keep their ids
///   model.context  rows of new positions likewise
/// Throws base::SharedError on all ranks, listing every other difference of the model. `say` is told, on every rank,
/// what was taken. Collective.
void initialize_from(const std::string& path, Replica& replica, const RunData& data,
                     const std::function<void(const std::string&)>& say);

}  // namespace tessera::train
