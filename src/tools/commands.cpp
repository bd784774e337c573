// SPDX-License-Identifier: Apache-2.0
#include "tools/command.hpp"

namespace tessera::tools {

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"train", "train a model; resumes by itself from the newest checkpoint of run.dir", run_train, prepare_train},
      {"status", "what a run does: state, step, speed, checkpoint, time left; waits and restarts of its job", nullptr,
       status_before_mpi},
      {"generate", "continue prompts with a trained model", run_generate},
      {"evaluate", "perplexity and bits per byte over a text or token file", run_evaluate},
      {"score", "log-probability of each token of a text", run_score},
      {"data", "prepare | inspect | train-tokenizer | encode | decode", run_data},
      {"checkpoint", "list | show | verify | prune | average | export | import", run_checkpoint, checkpoint_before_mpi},
      {"check", "check a configuration, count parameters, predict memory; no training", run_check},
      {"bench", "time of a training step against this machine's own matrix rate", run_bench},
      {"scale", "run | submit | report: strong and weak scaling studies", nullptr, scale_before_mpi},
      {"selftest", "train a tiny model under every layout that fits and compare with one process", run_selftest,
       start_selftest_ranks},
      {"version", "build, libraries, CPU features, MPI", run_version},
  };
  return table;
}

}  // namespace tessera::tools
