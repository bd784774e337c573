// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include "base/stopwatch.hpp"
#include "comm/communicator.hpp"
#include "pipeline/schedule.hpp"

namespace tessera::pipeline {

/// When a rank worked through an action list, by its own clock.
struct RunTimes {
  base::Clock::time_point first_begin, last_end;  ///< of its first and its last action
  double busy_seconds = 0;                        ///< spent in actions
};

/// What a runner drives: the chunks of the model that one rank holds. Buffers of a micro-batch must stay where they are
/// from their message to the end of its backward.
class Stage {
 public:
  virtual ~Stage() = default;
  /// Micro-batches of a chunk whose outputs are kept at a time, and those whose inputs and gradients are: micro-batch m
  /// has slot m % slots.
  virtual int slots(int chunk) const = 0;
  virtual int message_slots(int chunk) const = 0;
  virtual std::span<float> input(int chunk, int micro) = 0;     ///< activations that the previous part sends
  virtual std::span<float> output(int chunk, int micro) = 0;    ///< activations for the next part
  virtual std::span<float> gradient(int chunk, int micro) = 0;  ///< of the output before a backward, of the input after
  virtual void run(const Action& action) = 0;
};

/// Executes the action list of a stage (schedule.hpp) with its messages: each is non-blocking, a receive is posted one
/// action ahead, and a send is awaited when its buffer is needed again. All ranks of the pipeline axis run their lists
/// at the same time.
class Runner {
 public:
  /// `axis` (ordered by stage) must outlive the runner.
  Runner(const comm::Communicator& axis, int virtual_stages)
      : axis_(&axis), num_parts_(axis.size() * virtual_stages), held_(static_cast<std::size_t>(virtual_stages)) {}

  void run(Stage& stage, std::span<const Action> actions);
  /// Moves messages in flight on: test points of a long computation, as MPI moves only when called.
  void progress();

  /// From now on actions are recorded there as "compute" ("forward 3", with the chunk where there are several) and
  /// waits for messages as "bubble", the latter if the axis records its waits; until nullptr is set.
  void set_trace(base::Trace* trace) { trace_ = trace; }

  double wait_seconds() const { return wait_seconds_; }  ///< spent waiting for messages since construction
  /// Of the time in actions, that with a message of this rank under way, as seen at the test points.
  double hidden_seconds() const { return hidden_seconds_; }
  const RunTimes& last_run() const { return last_run_; }

 private:
  struct Send {
    comm::Request request;
    Action action;
  };
  int part(int chunk) const { return chunk * axis_->size() + axis_->rank(); }
  bool needs_message(const Action& action) const;
  bool sends_message(const Action& action) const;
  void post_next(Stage& stage, std::span<const Action> actions);
  void receive(Stage& stage, const Action& action);
  void send(Stage& stage, const Action& action);
  void work(Stage& stage, const Action& action);
  void await(Send& send);
  void await_sends(const Action& action, bool forward, int slots);

  const comm::Communicator* axis_;
  int num_parts_;
  std::optional<Action> expected_;  // whose message receive_ is
  comm::Request receive_;
  std::list<Send> sends_;
  std::vector<int> held_;  // by chunk: micro-batches that hold a message slot
  base::Trace* trace_ = nullptr;
  RunTimes last_run_;
  double wait_seconds_ = 0, hidden_seconds_ = 0;
  std::size_t num_under_way_ = 0;  // of sends_
  base::Clock::time_point under_way_since_;
};

}  // namespace tessera::pipeline
