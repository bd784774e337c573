// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "json/json.hpp"

namespace tessera::scaling {

/// strong: the batch of a step stays the same, whatever the ranks; weak: the work of a rank does, so that the batch
/// grows with the ranks. The model stays the same in both.
enum class Mode { strong, weak };
const char* name(Mode mode);

/// What a study asks. Results of two questions do not belong into one table.
struct Question {
  config::Config config;                       ///< of the model and its training; validated for each point of its own
  std::vector<Mode> modes;                     ///< strong first
  std::vector<int> ranks;                      ///< rising
  int ranks_per_node = 1;                      ///< at most; on one machine the largest of `ranks`
  int threads = 1;                             ///< of a rank, the same at every point
  int cores = 1;                               ///< of a node, or of this machine
  std::string executor = "local";              ///< local | slurm
  std::string layouts = "auto";                ///< for several ranks; as parse_layouts() reads them, or auto
  std::int64_t most_layouts = 4;               ///< tried at a number of ranks, of auto
  std::int64_t batch_per_rank = 0;             ///< sequences of a step in weak mode; 0: optim.batch
  bool single_rank = true;                     ///< measure one rank to compare with, also where `ranks` begins higher
  std::int64_t num_warmup = 2, num_steps = 5;  ///< of a run
  std::int64_t num_repeats = 3;                ///< runs of a point
};

/// Throws one base::UsageError for what cannot be asked: no ranks, ranks that do not fill nodes, no batch.
void check(const Question& question);

json::Json to_json(const Question& question);
/// Throws base::Error if something is missing or of another type; `source` names the file.
Question question_from_json(const json::Json& object, const std::string& source);

/// What differs, a line for each: "steps = 5, was 10". Empty if the questions are equal.
std::vector<std::string> differences(const Question& now, const Question& before);

}  // namespace tessera::scaling
