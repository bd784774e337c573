// SPDX-License-Identifier: Apache-2.0
#include "train/step_trace.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "comm/trace_gather.hpp"

namespace tessera::train {

StepTrace::StepTrace(Replica& replica, Say say) : replica_(&replica), say_(std::move(say)) {
  if (!replica.config().run.trace) return;
  trace_.emplace();
  replica.set_trace(&*trace_);
}

StepTrace::~StepTrace() {
  detach();
}

void StepTrace::detach() {
  if (trace_) replica_->set_trace(nullptr);
}

/// On some rank the next step may find no room.
bool StepTrace::is_full() const {
  const bool mine = trace_->events().size() + most_in_a_step_ > trace_->most_events();
  return replica_->mesh().all().max(mine ? 1 : 0, "room in the trace") > 0;
}

void StepTrace::step_done(std::int64_t step) {
  if (!trace_) return;
  if (first_step_ == 0) first_step_ = step;
  last_step_ = step;
  const std::size_t events = trace_->events().size();
  most_in_a_step_ = std::max(most_in_a_step_, events - std::exchange(events_before_, events));
  if (last_step_ - first_step_ + 1 >= most_steps || is_full()) finish();
}

void StepTrace::finish() {
  if (!trace_) return;
  detach();
  if (last_step_ > 0) {
    const std::string path = replica_->config().run.dir + "/trace.json";
    comm::write_trace(replica_->mesh().all(), *trace_, path);
    say_(fmt::format("trace of steps {} to {}: '{}', for scripts/plot_pipeline.py and ui.perfetto.dev", first_step_,
                     last_step_, path));
  }
  trace_.reset();
}

}  // namespace tessera::train
