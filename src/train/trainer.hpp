// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/error.hpp"
#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "tensor/device.hpp"

namespace tessera::train {

struct TrainHooks {
  bool quiet = false;
  /// Told the resolved configuration on every rank, before anything is written or computed.
  std::function<void(const config::Config& resolved)> begins = [](const config::Config&) {};
  std::function<bool()> stop_requested = [] { return false; };  ///< polled once a step on every rank
  std::string version;                                          ///< of binary and libraries, recorded in checkpoints
};

/// Trains to config.run.steps in run folder config.run.dir: resumes from its newest valid checkpoint, writes
/// config.cfg, metrics.jsonl and checkpoints/. Collective over the mesh, whose shape is that of `config`, as loaded: it
/// is resolved against the data here.
/// Returns done, or stopped if a stop was requested (a checkpoint is saved). Errors: base::SharedError with the exit
/// code.
base::ExitCode train(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config,
                     const TrainHooks& hooks);

}  // namespace tessera::train
