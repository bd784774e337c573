// SPDX-License-Identifier: Apache-2.0
// Pipeline schedules as data: pure functions return what a stage does in a step, in its order; a runner executes it.
//
// GPipe: Huang et al. 2019. 1F1B and its interleaved form: Narayanan et al. 2021 (Megatron-LM). Zero bubble: the
// schedule ZB-H1 of Qi et al. 2023. In all of them each chunk sees its micro-batches in ascending order, in forward and
// in each kind of backward, so gradients are summed as one process sums them.
//
// Messages: forward awaits the activation of the part before (part 0 has none) and then sends its own to the part
// after; backward and backward_input do the same with gradients the other way; backward_weight has no message.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::pipeline {

enum class ScheduleKind : std::uint8_t { gpipe, one_forward_one_backward, interleaved, zero_bubble };

/// gpipe | 1f1b | interleaved | zero_bubble, as the configuration says it. Throws std::logic_error for other names.
ScheduleKind schedule_of(const std::string& name);

/// backward = the gradients of input and weights in one; zero_bubble runs the two apart.
enum class Work : std::uint8_t { forward, backward, backward_input, backward_weight };

struct Action {
  Work work;
  int chunk;  ///< chunk c of stage s is part c * stages + s of the model
  int micro;  ///< micro-batch
  bool operator==(const Action&) const = default;
};

/// "forward of chunk 1, micro-batch 3"
std::string str(const Action& action);

/// A step of the pipeline. Only `interleaved` may have virtual_stages (chunks a stage holds) above 1.
struct Schedule {
  ScheduleKind kind;
  int stages = 1;
  int micro_batches = 1;
  int virtual_stages = 1;
};

/// What `stage` does in a training step. Pure. Any number of micro-batches will do, except that `interleaved` wants a
/// multiple of stages: std::logic_error if it gets none, or a size below 1, or a stage that is not there.
///
/// Micro-batches in flight (forward done, backward not complete), at most:
///   gpipe        m
///   1f1b         min(m, p - stage)
///   interleaved  min(v m, (v - 1) p + 2 (p - stage - 1) + 1), summed over the stage's chunks
///   zero_bubble  min(m, p)
/// with m micro-batches, p stages, v virtual stages.
std::vector<Action> actions(const Schedule& schedule, int stage);

/// What `stage` does in an evaluation: the forwards of all chunks and micro-batches, in the same order on all stages.
/// Pure. Any number of micro-batches will do, for `interleaved` too. One buffer a chunk for what is sent is enough.
std::vector<Action> forward_actions(const Schedule& schedule, int stage);

/// How many micro-batches of `chunk` are in flight at most; all of them in a list of forwards only.
int most_in_flight(const std::vector<Action>& list, int chunk);

/// Idle share of a training step if messages take no time and stages are even; exact for fewer micro-batches than
/// stages too. `zero_bubble`: if forward, backward_input and backward_weight take equally long (else, from m = p on,
/// each stage idles (p - 1) (forward + input - weight) as long as weight is the shortest of the three); the others:
/// whatever they take.
double bubble_fraction(const Schedule& schedule);

}  // namespace tessera::pipeline
