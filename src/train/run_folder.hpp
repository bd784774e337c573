// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "train/replica.hpp"
#include "train/run_lock.hpp"
#include "train/setup.hpp"

namespace tessera::train {

/// The folder of a run: config.cfg, metrics.jsonl, checkpoints/, and while a training uses it, lock.
class RunFolder {
 public:
  /// Creates the folder, locks it, removes what a crash left, and writes the configuration under a temporary name, so
  /// that a folder that is in use or cannot be written is refused before training. Collective; throws
  /// base::SharedError. Rank 0 writes. `ranks` must outlive it.
  RunFolder(const comm::Communicator& ranks, const config::Config& resolved);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  std::string metrics_path() const { return dir_ + "/metrics.jsonl"; }
  std::string checkpoints_dir() const { return dir_ + "/checkpoints"; }

  /// Newest valid checkpoint into `replica`; false if there is none at all and the run starts from nothing. Damaged
  /// newer ones are named and set aside; if all are damaged they stay, and that is an error, as a fresh start would
  /// write over the run. Refuses a checkpoint of another model or tokenizer, listing every difference. `say` is told,
  /// on every rank, which other keys changed and what was resumed. Collective.
  bool resume(Replica& replica, const RunData& data, checkpoint::RunState& state,
              const std::function<void(const std::string&)>& say) const;
  /// Makes that configuration config.cfg, once nothing refuses it any more: until then the folder tells what its
  /// checkpoints were made with. Collective.
  void publish_config() const;
  /// Throws if another process took the folder over. To be asked before anything is saved there. Collective.
  void require_held() const;
  /// The same on rank 0 alone: nothing elsewhere.
  void require_held_here() const;

 private:
  struct Damaged {
    std::string path, damage;
  };
  std::string new_config() const { return dir_ + "/config.cfg.tmp"; }
  std::vector<std::string> list_checkpoints() const;
  /// Returns what is damaged, "" if the checkpoint was read.
  std::string read(const std::string& path, Replica& replica, const RunData& data, checkpoint::RunState& state,
                   std::string& changed) const;
  void set_aside(const std::vector<Damaged>& files, const std::string& path) const;

  const comm::Communicator* ranks_;
  std::string dir_;
  std::unique_ptr<RunLock> lock_;  // rank 0
};

}  // namespace tessera::train
