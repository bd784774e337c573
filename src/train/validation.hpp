// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "json/json.hpp"
#include "train/evaluate.hpp"
#include "train/replica.hpp"
#include "train/setup.hpp"

namespace tessera::train {

/// The held-out parts of a run, evaluated at each multiple of run.eval_interval and after the last step.
class Validation {
 public:
  /// What is told of an evaluation: lines of metrics.jsonl, and a line of text for each.
  struct Line {
    json::Json metrics;
    std::string text;
  };

  /// Reads the held-out tokens once. References must outlive this. Not collective. Throws base::Error.
  Validation(Replica& replica, const RunData& data);

  /// Whether a run evaluates after that step.
  bool is_due(std::int64_t step) const;
  /// Evaluates the weights as they are. `is_abandoned` is asked about once in the time of a training step, on all
  /// ranks, whose answers must agree: true ends it, and nothing is told. Throws base::SharedError if the loss is not
  /// finite. Collective over the mesh; same lines on all ranks.
  std::optional<std::vector<Line>> evaluate(std::int64_t step, const std::function<bool()>& is_abandoned);

 private:
  int micro_batches_in_a_step() const;

  Replica* replica_;
  const RunData* data_;
  text::TokenId document_end_ = -1;
  std::vector<std::uint64_t> text_bytes_;  // of each part
};

}  // namespace tessera::train
