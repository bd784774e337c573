// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
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
  config::Config config;
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::unique_ptr<model::Parameters> parameters;
};

/// `path`: a checkpoint file, a folder of them or a run folder (newest that is sound). Throws base::UsageError.
LoadedModel load_model(const std::string& path);

}  // namespace tessera::train
