// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/error.hpp"
#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "tensor/device.hpp"
#include "train/lead_time.hpp"

namespace tessera::train {

struct TrainHooks {
  bool quiet = false;
  /// Told the resolved configuration on every rank, before anything is written or computed.
  std::function<void(const config::Config& resolved)> begins = [](const config::Config&) {};
  /// Whether this rank was asked to stop: polled on every rank, in each step, evaluation and save.
  std::function<bool()> stop_requested = [] { return false; };
  StopLimits limits;    ///< warned of if a stop takes longer; rank 0's count
  std::string version;  ///< of binary and libraries, recorded in checkpoints
};

/// Trains to config.run.steps in run folder config.run.dir: resumes from its newest valid checkpoint, writes
/// config.cfg, metrics.jsonl and checkpoints/. Collective over the mesh, whose shape is that of `config`, as loaded: it
/// is resolved against the data here.
///
/// A stop that some rank was asked for is acted on by all at the end of the step in which it came: the checkpoint of
/// that step is saved, and nothing else is begun. An evaluation is abandoned within about the time of a step and done
/// first by the next start, so that metrics.jsonl gets the lines of a run that never stopped.
/// Returns done: run.steps or run.stop_after are reached; or stopped: a stop was requested before that, or left the
/// evaluation of the last step to the next start (a checkpoint is saved). Errors: base::SharedError with the exit code.
base::ExitCode train(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config,
                     const TrainHooks& hooks);

}  // namespace tessera::train
