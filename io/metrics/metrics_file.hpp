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

  /// Drops lines of steps after `step` (they will be computed again) and a line that a crash cut short, and opens the
  /// file for appending. Must be called once, first. Throws base::UsageError naming the path if that fails.
  void resume_at(std::int64_t step);
  /// Writes one line. Throws base::Error naming path and cause; then nothing of the line is left, and the next may be
  /// tried.
  void append(const json::Json& line);

 private:
  void open();

  std::string path_;
  std::ofstream file_;
  std::uintmax_t whole_bytes_ = 0;  // of lines that were written
};

}  // namespace tessera::metrics
