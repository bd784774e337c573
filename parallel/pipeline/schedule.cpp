// SPDX-License-Identifier: Apache-2.0
#include "pipeline/schedule.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

namespace tessera::pipeline {
namespace {

void require(bool holds, const std::string& rule) {
  if (!holds) throw std::logic_error("pipeline schedule: " + rule);
}

void check(const Schedule& schedule) {
  require(schedule.stages >= 1 && schedule.micro_batches >= 1 && schedule.virtual_stages >= 1,
          "stages, micro-batches and virtual stages are at least 1");
  require(schedule.virtual_stages == 1 || schedule.kind == ScheduleKind::interleaved,
          "only interleaved has virtual stages");
}

void check_training(const Schedule& schedule) {
  check(schedule);
  require(schedule.kind != ScheduleKind::interleaved || schedule.micro_batches % schedule.stages == 0,
          fmt::format("interleaved wants a multiple of {} stages, not {} micro-batches", schedule.stages,
                      schedule.micro_batches));
}

void check_stage(const Schedule& schedule, int stage) {
  require(stage >= 0 && stage < schedule.stages, fmt::format("no stage {} of {}", stage, schedule.stages));
}

/// One kind of work on all chunks and micro-batches. Groups of `stages` micro-batches pass through all chunks, first to
/// last or `reversed`, before the next group begins: when a stage is done with a group on one chunk, the first of the
/// group has come around the ring to its next chunk.
std::vector<Action> in_groups(const Schedule& schedule, Work work, bool reversed) {
  std::vector<Action> list;
  list.reserve(static_cast<std::size_t>(schedule.micro_batches) * schedule.virtual_stages);
  for (int first = 0; first < schedule.micro_batches; first += schedule.stages)
    for (int i = 0; i < schedule.virtual_stages; ++i)
      for (int micro = first; micro < std::min(first + schedule.stages, schedule.micro_batches); ++micro)
        list.push_back({work, reversed ? schedule.virtual_stages - 1 - i : i, micro});
  return list;
}

/// Forwards that run before the stage begins to alternate between forward and backward.
std::size_t warm_up(const Schedule& schedule, int stage) {
  const int later_stages = schedule.stages - stage - 1;
  switch (schedule.kind) {
    case ScheduleKind::gpipe:
      return static_cast<std::size_t>(schedule.micro_batches);
    case ScheduleKind::interleaved:
      return static_cast<std::size_t>(2 * later_stages) +
             static_cast<std::size_t>(schedule.virtual_stages - 1) * schedule.stages;
    case ScheduleKind::one_forward_one_backward:
    case ScheduleKind::zero_bubble:
      return static_cast<std::size_t>(later_stages);
  }
  throw std::logic_error("pipeline schedule: no such kind");
}

}  // namespace

ScheduleKind schedule_of(const std::string& name) {
  if (name == "gpipe") return ScheduleKind::gpipe;
  if (name == "1f1b") return ScheduleKind::one_forward_one_backward;
  if (name == "interleaved") return ScheduleKind::interleaved;
  if (name == "zero_bubble") return ScheduleKind::zero_bubble;
  throw std::logic_error("no pipeline schedule is named " + name);
}

std::string str(const Action& action) {
  constexpr const char* names[] = {"forward", "backward", "input backward", "weight backward"};
  return fmt::format("{} of chunk {}, micro-batch {}", names[static_cast<int>(action.work)], action.chunk,
                     action.micro);
}

std::vector<Action> actions(const Schedule& schedule, int stage) {
  check_training(schedule);
  check_stage(schedule, stage);
  const bool split = schedule.kind == ScheduleKind::zero_bubble;
  const std::vector<Action> forwards = in_groups(schedule, Work::forward, false);
  const std::vector<Action> backwards = in_groups(schedule, split ? Work::backward_input : Work::backward, true);
  const std::size_t count = forwards.size(), ahead = std::min(count, warm_up(schedule, stage));

  std::vector<Action> list(forwards.begin(), forwards.begin() + static_cast<std::ptrdiff_t>(ahead));
  list.reserve(3 * count);
  // The later a stage, the fewer forwards it holds, so the more weight gradients it may put off without holding more
  // than stage 0 does. They fill the end of the step, while the last input gradients travel to stage 0.
  int weights = 0;
  const auto weight = [&] { list.push_back({Work::backward_weight, 0, weights++}); };
  for (std::size_t i = 0; i < count; ++i) {
    if (i + ahead < count) list.push_back(forwards[i + ahead]);
    list.push_back(backwards[i]);
    if (split && backwards[i].micro >= stage) weight();
  }
  while (split && weights < schedule.micro_batches) weight();
  return list;
}

std::vector<Action> forward_actions(const Schedule& schedule, int stage) {
  check(schedule);
  check_stage(schedule, stage);
  return in_groups(schedule, Work::forward, false);
}

int most_in_flight(const std::vector<Action>& list, int chunk) {
  int now = 0, most = 0;
  for (const Action& action : list) {
    if (action.chunk != chunk) continue;
    if (action.work == Work::forward) most = std::max(most, ++now);
    if (action.work == Work::backward || action.work == Work::backward_weight) --now;
  }
  return most;
}

double bubble_fraction(const Schedule& schedule) {
  check_training(schedule);
  const double p = schedule.stages, m = schedule.micro_batches, v = schedule.virtual_stages;
  if (schedule.kind != ScheduleKind::zero_bubble) return (p - 1) / (v * m + p - 1);
  // Each stage works 3 m units. From m = p on it idles p - 1. Below, the micro-batches are too few to hide the way of
  // the last one: p - 1 forwards to the last stage, m forwards and inputs there, p - 1 inputs back, one weight.
  const double makespan = std::max(3 * m + p - 1, 2 * m + 2 * (p - 1) + 1);
  return 1 - 3 * m / makespan;
}

}  // namespace tessera::pipeline
