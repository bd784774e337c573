// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::metrics {

/// Whether a person looks at standard output, so that lines may be written over.
bool writes_to_terminal();

/// What the progress line shows.
struct ProgressStep {
  std::int64_t step = 0, steps = 0;
  double loss = 0;
  double tokens_per_second = 0;
  double gflops = 0;
  double seconds_left = 0;
};

/// Progress of a run on standard output: on a terminal one line that is written over, elsewhere plain lines. NO_COLOR
/// in the environment (no-color.org) drops the colours.
class Progress {
 public:
  /// `silent`: writes nothing (--quiet, or a rank that is not the first).
  explicit Progress(bool silent);
  ~Progress();  ///< ends an open line, too, if standard output takes it
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(const ProgressStep& step);
  /// A line of its own, which stays.
  void line(const std::string& text);
  /// Ends an open progress line.
  void finish();

 private:
  bool silent_, terminal_, color_;
  bool open_ = false;  // the cursor stands behind a progress line
};

}  // namespace tessera::metrics
