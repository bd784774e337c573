// SPDX-License-Identifier: Apache-2.0
#include "pipeline/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <stdexcept>

namespace tessera::pipeline {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

struct Message {
  double sent = kNever, posted = kNever, crossing = 0;

  double complete() const { return std::max(sent, posted) + crossing; }  ///< for the sender and the receiver alike
};

class Stages {
 public:
  Stages(const std::vector<std::vector<Action>>& lists, const std::vector<Durations>& parts, int slots)
      : lists_(lists), parts_(parts), stages_(static_cast<int>(lists.size())), ready_(lists.size()) {
    if (lists.empty() || parts.empty() || parts.size() % lists.size() != 0)
      throw std::logic_error("pipeline: the number of parts is no multiple of the number of stages");
    const int chunks = static_cast<int>(parts.size() / lists.size());
    for (const auto& list : lists)
      for (const Action& action : list) {
        if (action.chunk < 0 || action.chunk >= chunks || action.micro < 0)
          throw std::logic_error("pipeline: no place for " + str(action));
        micro_batches_ = std::max(micro_batches_, action.micro + 1);
      }
    activations_.resize(parts.size() * micro_batches_);
    gradients_.resize(parts.size() * micro_batches_);
    for (std::size_t i = 0; i < activations_.size(); ++i)
      activations_[i].crossing = gradients_[i].crossing = parts[i / micro_batches_].message;
    for (const auto& list : lists)
      for (int chunk = 0; chunk < chunks; ++chunk)
        slots_.push_back(slots > 0 ? slots : std::max(1, most_in_flight(list, chunk)));
    result_.spans.resize(lists.size());
  }

  Simulation run() {
    for (bool progress = true; progress;) {
      progress = false;
      for (int stage = 0; stage < stages_; ++stage)
        while (step(stage)) progress = true;
    }
    require_finished();
    double busy = 0;
    for (const auto& spans : result_.spans)
      for (const Span& span : spans) {
        busy += span.end - span.begin;
        result_.makespan = std::max(result_.makespan, span.end);
      }
    if (result_.makespan > 0) result_.bubble_fraction = 1 - busy / (stages_ * result_.makespan);
    return std::move(result_);
  }

 private:
  int part(int stage, const Action& action) const { return action.chunk * stages_ + stage; }
  bool is_last(int part) const { return part + 1 == static_cast<int>(parts_.size()); }
  static bool sends_gradient(const Action& action) {
    return action.work == Work::backward || action.work == Work::backward_input;
  }

  /// The message that leaves the action for micro-batch `micro`, or null.
  Message* sent(int stage, const Action& action, int micro) {
    const int from = part(stage, action);
    if (action.work == Work::forward && !is_last(from)) return &activations_[from * micro_batches_ + micro];
    if (sends_gradient(action) && from > 0) return &gradients_[from * micro_batches_ + micro];
    return nullptr;
  }

  /// The message that the action awaits, or null.
  Message* awaited(int stage, const Action& action) {
    const int to = part(stage, action);
    if (action.work == Work::forward && to > 0) return &activations_[(to - 1) * micro_batches_ + action.micro];
    if (sends_gradient(action) && !is_last(to)) return &gradients_[(to + 1) * micro_batches_ + action.micro];
    return nullptr;
  }

  double duration(int stage, const Action& action) const {
    const Durations& times = parts_[part(stage, action)];
    switch (action.work) {
      case Work::forward:
        return times.forward;
      case Work::backward:
        return times.input + times.weight;
      case Work::backward_input:
        return times.input;
      case Work::backward_weight:
        return times.weight;
    }
    throw std::logic_error("pipeline: no such work");
  }

  std::size_t next(int stage) const { return result_.spans[stage].size(); }
  bool is_finished(int stage) const { return next(stage) == lists_[stage].size(); }

  void post_receives(int stage) {
    const auto post = [&](std::size_t i) {
      Message* message = awaited(stage, lists_[stage][i]);
      if (message) message->posted = std::min(message->posted, ready_[stage]);
      return message != nullptr;
    };
    post(next(stage));
    for (std::size_t i = next(stage) + 1; i < lists_[stage].size() && !post(i);) ++i;
  }

  /// The send that still holds the buffer which the action wants for its own, or null.
  Message* holder(int stage, const Action& action) {
    const int chunks = static_cast<int>(parts_.size()) / stages_;
    const int earlier = action.micro - slots_[stage * chunks + action.chunk];
    return earlier < 0 ? nullptr : sent(stage, action, earlier);
  }

  /// Runs the next action of the stage if all it waits for is known to happen.
  bool step(int stage) {
    if (is_finished(stage)) return false;
    const Action& action = lists_[stage][next(stage)];
    post_receives(stage);
    double begin = ready_[stage];
    for (const Message* message : {awaited(stage, action), holder(stage, action)})
      if (message) begin = std::max(begin, message->complete());
    if (begin == kNever) return false;
    ready_[stage] = begin + duration(stage, action);
    if (Message* message = sent(stage, action, action.micro)) message->sent = ready_[stage];
    result_.spans[stage].push_back({action, begin, ready_[stage]});
    return true;
  }

  void require_finished() {
    std::string waiting;
    for (int stage = 0; stage < stages_; ++stage) {
      if (is_finished(stage)) continue;
      const Action& action = lists_[stage][next(stage)];
      const Message* message = awaited(stage, action);
      waiting +=
          fmt::format("\n  stage {} before {}: {}", stage, str(action),
                      message && message->complete() == kNever ? "its message was not sent"
                                                               : "the last send from its buffer was not received");
    }
    if (!waiting.empty()) throw std::logic_error("pipeline deadlock:" + waiting);
    for (int stage = 0; stage < stages_; ++stage)
      for (const Action& action : lists_[stage])
        if (const Message* message = sent(stage, action, action.micro); message && message->complete() == kNever)
          throw std::logic_error(
              fmt::format("pipeline deadlock: nobody receives what stage {} sends after {}", stage, str(action)));
  }

  const std::vector<std::vector<Action>>& lists_;
  const std::vector<Durations>& parts_;
  int stages_, micro_batches_ = 0;
  std::vector<int> slots_;                        // [stage][chunk]
  std::vector<Message> activations_, gradients_;  // [part that sends][micro-batch]
  std::vector<double> ready_;                     // [stage], when it has ended its last action
  Simulation result_;
};

}  // namespace

Simulation simulate(const std::vector<std::vector<Action>>& lists, const std::vector<Durations>& parts, int slots) {
  return Stages(lists, parts, slots).run();
}

Simulation simulate(const Schedule& schedule, const std::vector<Durations>& parts) {
  std::vector<std::vector<Action>> lists;
  for (int stage = 0; stage < std::max(1, schedule.stages); ++stage) lists.push_back(actions(schedule, stage));
  if (parts.size() != lists.size() * schedule.virtual_stages)
    throw std::logic_error("pipeline: times of each part are wanted");
  return simulate(lists, parts);
}

Simulation simulate(const Schedule& schedule, const Durations& stage) {
  const double v = schedule.virtual_stages;
  const std::size_t parts =
      static_cast<std::size_t>(std::max(1, schedule.stages)) * std::max(1, schedule.virtual_stages);
  return simulate(schedule,
                  std::vector<Durations>(parts, {stage.forward / v, stage.input / v, stage.weight / v, stage.message}));
}

std::string draw(const Simulation& simulation) {
  double unit = kNever;
  int micro_batches = 0, chunks = 0;
  for (const auto& spans : simulation.spans)
    for (const Span& span : spans) {
      if (span.end > span.begin) unit = std::min(unit, span.end - span.begin);
      micro_batches = std::max(micro_batches, span.action.micro + 1);
      chunks = std::max(chunks, span.action.chunk + 1);
    }
  if (unit == kNever) return "";
  const int columns = static_cast<int>(std::ceil(simulation.makespan / unit - 1e-6));
  const std::size_t width = 1 + std::to_string(micro_batches - 1).size() + (chunks > 1 ? 1 : 0);
  std::string picture;
  for (std::size_t stage = 0; stage < simulation.spans.size(); ++stage) {
    picture += fmt::format("stage {}", stage);
    const auto& spans = simulation.spans[stage];
    auto span = spans.begin();
    for (int column = 0; column < columns; ++column) {
      const double time = (column + 0.5) * unit;
      while (span != spans.end() && span->end <= time) ++span;
      std::string cell = ".";
      if (span != spans.end() && span->begin <= time) {
        cell = "FBBW"[static_cast<int>(span->action.work)] + std::to_string(span->action.micro);
        if (chunks > 1) cell += static_cast<char>('a' + span->action.chunk);
      }
      picture += fmt::format(" {:<{}}", cell, width);
    }
    picture.erase(picture.find_last_not_of(' ') + 1);
    picture += '\n';
  }
  return picture;
}

}  // namespace tessera::pipeline
