// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "train/replica.hpp"
#include "train/setup.hpp"

namespace tessera::train {

/// The folder of a run: config.cfg, metrics.jsonl, checkpoints/.
class RunFolder {
 public:
  /// Creates the folder and writes the configuration under a temporary name, so that a folder that cannot be written is
  /// refused before training. Collective; throws base::SharedError. Rank 0 writes. `ranks` must outlive it.
  RunFolder(const comm::Communicator& ranks, const config::Config& resolved);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  std::string metrics_path() const { return dir_ + "/metrics.jsonl"; }
  std::string checkpoints_dir() const { return dir_ + "/checkpoints"; }

  /// Newest valid checkpoint into `replica`, if there is one; false if the run starts from nothing. Refuses a
  /// checkpoint of another model or tokenizer, listing every difference. `say` is told, on every rank, which other keys
  /// changed and what was resumed. Collective.
  bool resume(Replica& replica, const RunData& data, checkpoint::RunState& state,
              const std::function<void(const std::string&)>& say) const;
  /// Makes that configuration config.cfg, once nothing refuses it any more: until then the folder tells what its
  /// checkpoints were made with. Collective.
  void publish_config() const;
  /// Saves weights, moments and state. Collective.
  std::string save(Replica& replica, const checkpoint::RunState& state) const;

 private:
  std::string new_config() const { return dir_ + "/config.cfg.tmp"; }

  const comm::Communicator* ranks_;
  std::string dir_;
};

}  // namespace tessera::train
