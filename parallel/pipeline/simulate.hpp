// SPDX-License-Identifier: Apache-2.0
// Runs the action lists of all stages on paper: when each action begins and ends, and whether the stages ever wait for
// each other in a circle.
//
// The stages behave as the runner does. Before a stage runs an action it posts the receives of this action and of the
// next one that needs one; then it waits for its own message. A send is not buffered: it completes when the receive is
// posted and the message has crossed. Sends overlap with work. A stage waits for one only when it needs the buffer
// again: `slots` buffers for each chunk and direction, micro-batch i in buffer i % slots.
#pragma once

#include <string>
#include <vector>

#include "pipeline/schedule.hpp"

namespace tessera::pipeline {

/// Times in any one unit. The combined backward takes input + weight.
struct Durations {
  double forward = 1, input = 1, weight = 1;
  double message = 0;  ///< of an activation or gradient from one part to another
};

struct Span {
  Action action;
  double begin, end;
};

struct Simulation {
  double makespan = 0;
  std::vector<std::vector<Span>> spans;  ///< [stage], in the order of the stage's list
  double bubble_fraction = 0;            ///< share of stages x makespan in which stages do not work
};

/// A training step. `stage` holds the times of all chunks of a stage together; the message counts for each chunk.
Simulation simulate(const Schedule& schedule, const Durations& stage);

/// A training step of uneven parts: stages x virtual_stages times, part c * stages + s being chunk c of stage s; a
/// message takes what the part that sends it says.
Simulation simulate(const Schedule& schedule, const std::vector<Durations>& parts);

/// Any lists, one a stage. slots = 0 means most_in_flight of each stage and chunk. Throws std::logic_error that names
/// stages and actions if they wait in a circle, or for a message that nobody sends or receives.
Simulation simulate(const std::vector<std::vector<Action>>& lists, const std::vector<Durations>& parts, int slots = 0);

/// A picture of text, one row a stage, one column for each stretch of the shortest action: F forward, B backward or its
/// input part, W its weight part, then the micro-batch and, with virtual stages, the chunk as a letter; "." is idle.
std::string draw(const Simulation& simulation);

}  // namespace tessera::pipeline
