// SPDX-License-Identifier: Apache-2.0
#include "pipeline/runner.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>

#include "base/trace.hpp"

namespace tessera::pipeline {
namespace {

using base::Clock;

constexpr const char* kBubble = "bubble";

bool is_forward(const Action& action) {
  return action.work == Work::forward;
}

/// The last action of a micro-batch in a chunk.
bool releases(const Action& action, bool trains) {
  return action.work == Work::backward || action.work == Work::backward_weight || (is_forward(action) && !trains);
}

/// Messages between two parts in one direction are sent and received in the order of micro-batches, so the part that
/// sends is all a tag must tell.
int tag(int sending_part, bool forward) {
  return 2 * sending_part + (forward ? 0 : 1);
}

const char* name(Work work) {
  constexpr const char* names[] = {"forward", "backward", "input gradient", "weight gradient"};
  return names[static_cast<int>(work)];
}

double seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

bool Runner::needs_message(const Action& action) const {
  if (action.work == Work::backward_weight) return false;
  return is_forward(action) ? part(action.chunk) > 0 : part(action.chunk) + 1 < num_parts_;
}

bool Runner::sends_message(const Action& action) const {
  if (action.work == Work::backward_weight) return false;
  return is_forward(action) ? part(action.chunk) + 1 < num_parts_ : part(action.chunk) > 0;
}

void Runner::await(Send& send) {
  if (!send.request.pending()) return;
  axis_->wait(send.request, "a pipeline message to be taken", kBubble);
  --num_under_way_;
}

/// Awaits what the chunk of `action` still sends, forward or back, from the slot of its micro-batch.
void Runner::await_sends(const Action& action, bool forward, int slots) {
  const base::Stopwatch waiting(wait_seconds_);
  for (auto it = sends_.begin(); it != sends_.end();) {
    const bool in_slot = it->action.chunk == action.chunk && is_forward(it->action) == forward &&
                         it->action.micro % slots == action.micro % slots;
    if (in_slot) await(*it);
    it = in_slot ? sends_.erase(it) : std::next(it);
  }
}

void Runner::receive(Stage& stage, const Action& action) {
  const int P = axis_->size(), here = part(action.chunk);
  if (!is_forward(action)) await_sends(action, false, stage.message_slots(action.chunk));
  if (is_forward(action))
    receive_ = axis_->ireceive(stage.input(action.chunk, action.micro), (here - 1) % P, tag(here - 1, true));
  else
    receive_ = axis_->ireceive(stage.gradient(action.chunk, action.micro), (here + 1) % P, tag(here + 1, false));
  expected_ = action;
}

/// Posts the receive of the next action that needs one, unless the slot it goes to is still in use.
void Runner::post_next(Stage& stage, std::span<const Action> actions) {
  if (expected_) return;
  const auto next = std::find_if(actions.begin(), actions.end(), [&](const Action& a) { return needs_message(a); });
  if (next == actions.end()) return;
  // Forwards of this chunk that come before it and hold a slot by then.
  int held = held_[static_cast<std::size_t>(next->chunk)];
  for (auto it = actions.begin(); it != next; ++it) held += it->chunk == next->chunk && is_forward(*it) ? 1 : 0;
  if (is_forward(*next) && held >= stage.message_slots(next->chunk)) return;
  receive(stage, *next);
}

void Runner::send(Stage& stage, const Action& action) {
  const int P = axis_->size(), here = part(action.chunk);
  const bool forward = is_forward(action);
  const std::span<const float> data =
      forward ? stage.output(action.chunk, action.micro) : stage.gradient(action.chunk, action.micro);
  const int to = forward ? (here + 1) % P : (here - 1) % P;
  sends_.push_back({axis_->isend(data, to, tag(here, forward)), action});
  ++num_under_way_;
}

void Runner::work(Stage& stage, const Action& action) {
  const Clock::time_point begin = under_way_since_ = Clock::now();
  stage.run(action);
  const Clock::time_point end = Clock::now();
  if (num_under_way_ > 0) hidden_seconds_ += seconds(end - under_way_since_);
  last_run_.busy_seconds += seconds(end - begin);
  last_run_.last_end = end;
  if (trace_)
    trace_->add(fmt::format("{} {}", name(action.work), action.micro), "compute", begin, end,
                held_.size() > 1 ? fmt::format("chunk {}", action.chunk) : std::string());
}

void Runner::run(Stage& stage, std::span<const Action> actions) {
  const bool trains = std::any_of(actions.begin(), actions.end(), [](const Action& a) { return !is_forward(a); });
  std::fill(held_.begin(), held_.end(), 0);
  last_run_ = {};
  for (std::size_t i = 0; i < actions.size(); ++i) {
    const Action& action = actions[i];
    int& held = held_[static_cast<std::size_t>(action.chunk)];
    if (needs_message(action)) {
      if (!expected_) receive(stage, action);
      const base::Stopwatch waiting(wait_seconds_);
      axis_->wait(receive_, is_forward(action) ? "activations of the stage before" : "gradients of the stage behind",
                  kBubble);
      expected_.reset();
    }
    if (is_forward(action)) {
      ++held;
      await_sends(action, true, stage.slots(action.chunk));
      await_sends(action, false, stage.message_slots(action.chunk));  // the last part leaves its gradient in forward
    }
    post_next(stage, actions.subspan(i + 1));
    if (i == 0) last_run_.first_begin = Clock::now();
    work(stage, action);
    if (sends_message(action)) send(stage, action);
    if (releases(action, trains)) --held;
  }
  const base::Stopwatch waiting(wait_seconds_);
  for (Send& send : sends_) await(send);
  sends_.clear();
}

void Runner::progress() {
  if (expected_) axis_->test(receive_);
  for (Send& send : sends_) {
    if (!send.request.pending() || !axis_->test(send.request)) continue;
    if (--num_under_way_ == 0) hidden_seconds_ += base::seconds_since(under_way_since_);
  }
}

}  // namespace tessera::pipeline
