// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "json/json.hpp"

namespace tessera::metrics {

/// metrics.jsonl of a run: one JSON object a line, flushed line by line. One process writes it.
class MetricsFile {
 public:
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}

  /// Drops lines of steps after `step` (they will be computed again), lines of its evaluation if that is not complete,
  /// and a line that a crash cut short, and opens the file for appending. Must be called once, first. Throws
  /// base::UsageError naming the path if that fails.
  void resume_at(std::int64_t step);
  /// Whether the evaluation of the step at which it was resumed is there.
  bool has_evaluation() const { return has_evaluation_; }
  /// Writes one line. Throws base::Error naming path and cause; then nothing of the line is left, and the next may be
  /// tried.
  void append(const json::Json& line);

 private:
  void open();

  std::string path_;
  std::ofstream file_;
  std::uintmax_t whole_bytes_ = 0;  // of lines that were written
  bool has_evaluation_ = false;
};

}  // namespace tessera::metrics
