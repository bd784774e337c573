// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"
#include "text/tokenizer.hpp"

namespace tessera::train {

/// A model read from a checkpoint, for generation and evaluation: weights only, in f32 whatever precision it was
/// trained in, so that its losses are those of the master weights.
struct LoadedModel {
  std::string path;                 ///< of the checkpoint file
  std::vector<std::string> damage;  ///< of newer files that were passed over, a message each
  checkpoint::RunState state;
  config::Config config;  ///< of the run, but for parallel: that of the mesh it was loaded on
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<model::Parameters> parameters;  ///< this rank's part
};

/// `path`: a checkpoint file, a folder of them or a run folder (newest that is sound). Each rank reads its part,
/// whatever the mesh that wrote. Throws base::SharedError on all ranks. Collective over the mesh.
LoadedModel load_model(const comm::Mesh& mesh, const std::string& path);

}  // namespace tessera::train
