// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/trace.hpp"
#include "train/replica.hpp"

namespace tessera::train {

/// The time line of the first steps of a start (run.trace): whole steps, at most `most_steps` and at most as many as
/// base::Trace has room for. Written to trace.json of the run folder as soon as they are done; later steps record
/// nothing. Without run.trace no member does anything.
class StepTrace {
 public:
  static constexpr std::int64_t most_steps = 20;
  using Say = std::function<void(const std::string& line)>;

  /// Records what `replica` and its mesh do; both must outlive this. `say` is told where the trace was written.
  StepTrace(Replica& replica, Say say);
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  /// nullptr if nothing is recorded (any more).
  base::Trace* get() { return trace_ ? &*trace_ : nullptr; }
  /// After all that belongs to `step` (from 1). Collective. Throws base::SharedError if the file cannot be written.
  void step_done(std::int64_t step);
  /// At the end of the start: writes the steps so far, unless they are written. Collective.
  void finish();

 private:
  bool is_full() const;
  void detach();

  Replica* replica_;
  Say say_;
  std::optional<base::Trace> trace_;
  std::int64_t first_step_ = 0, last_step_ = 0;  // 0: none is done
  std::size_t events_before_ = 0, most_in_a_step_ = 0;
};

}  // namespace tessera::train
