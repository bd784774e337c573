// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "metrics/metrics_file.hpp"
#include "metrics/progress.hpp"
#include "train/train_step.hpp"
#include "train/validation.hpp"

namespace tessera::train {

/// What a run tells: metrics.jsonl and the progress on standard output. Rank 0 tells it for all; the records of other
/// ranks do nothing, so that a job of many ranks prints one line a step.
class RunRecord {
 public:
  /// `config` must outlive it. `tells`: of the rank that does. `quiet`: only metrics.jsonl.
  RunRecord(const config::Config& config, bool tells, bool quiet)
      : config_(&config), tells_(tells), progress_(!tells || quiet) {}

  /// MetricsFile::resume_at() of the rank that tells. Throws base::UsageError.
  void open(const std::string& metrics_path, std::int64_t step);
  /// Whether the evaluation of that step is recorded.
  bool has_evaluation() const { return metrics_ && metrics_->has_evaluation(); }

  /// A step of `seconds`; `tokens` of the run so far, `samples_left` of it. Throws base::Error if metrics.jsonl cannot
  /// be written and checkpoint.on_failure = stop; this of evaluation(), too.
  void step(const StepReport& report, std::int64_t tokens, double seconds, std::int64_t samples_left);
  void evaluation(const std::vector<Validation::Line>& lines, std::int64_t step);
  void line(const std::string& text) { progress_.line(text); }
  void finish() { progress_.finish(); }

 private:
  void append(const json::Json& line, std::int64_t step);

  const config::Config* config_;
  bool tells_;
  std::optional<metrics::MetricsFile> metrics_;
  bool metrics_fail_ = false;
  metrics::Progress progress_;
};

}  // namespace tessera::train
