// SPDX-License-Identifier: Apache-2.0
#include "pipeline/simulate.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <stdexcept>

#include "unit/pipeline/fixture.hpp"

namespace tessera::pipeline {
namespace {

using Lists = std::vector<std::vector<Action>>;
constexpr double kTolerance = 1e-9;

double distance(double a, double b) {
  return std::abs(a - b);
}

/// The message of the error that simulating the lists raises, or nothing.
std::string error_of(const Lists& lists, const std::vector<Durations>& parts, int slots = 0) {
  try {
    simulate(lists, parts, slots);
  } catch (const std::logic_error& error) {
    return error.what();
  }
  return "";
}

BOOST_AUTO_TEST_CASE(every_schedule_ends_with_the_bubble_of_its_formula) {
  // Holds for fewer micro-batches than stages too: the formula of zero_bubble has a branch for them.
  for_all_schedules(true, [](const Schedule& schedule) {
    BOOST_TEST_CONTEXT(text(schedule)) {
      const Simulation simulation = simulate(schedule, Durations{});
      BOOST_TEST_REQUIRE(distance(simulation.bubble_fraction, bubble_fraction(schedule)) < kTolerance);
      const double makespan = 3.0 * schedule.micro_batches / (1 - bubble_fraction(schedule));
      BOOST_TEST_REQUIRE(distance(simulation.makespan, makespan) < kTolerance);
      for (int stage = 0; stage < schedule.stages; ++stage) {
        const auto list = actions(schedule, stage);
        BOOST_TEST_REQUIRE(simulation.spans[stage].size() == list.size());
        double end = 0;
        for (std::size_t i = 0; i < list.size(); ++i) {
          const Span& span = simulation.spans[stage][i];
          BOOST_TEST_REQUIRE((span.action == list[i]));
          BOOST_TEST_REQUIRE(span.begin >= end);
          end = span.end;
        }
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(the_bubbles_of_the_papers_from_as_many_micro_batches_as_stages_on) {
  for (int p = 1; p <= 8; ++p)
    for (int m = p; m <= 16; ++m) {
      const double idle = p - 1;
      for (const ScheduleKind kind : {ScheduleKind::gpipe, ScheduleKind::one_forward_one_backward})
        BOOST_TEST_REQUIRE(distance(bubble_fraction({kind, p, m}), idle / (m + idle)) < kTolerance);
      BOOST_TEST_REQUIRE(distance(bubble_fraction({ScheduleKind::zero_bubble, p, m}), idle / (3 * m + idle)) <
                         kTolerance);
      for (int v = 1; v <= 4 && m % p == 0; ++v)
        BOOST_TEST_REQUIRE(distance(bubble_fraction({ScheduleKind::interleaved, p, m, v}), idle / (v * m + idle)) <
                           kTolerance);
    }
}

BOOST_AUTO_TEST_CASE(formulas_hold_for_uneven_work_where_the_header_says_so) {
  for (const Durations& times : {Durations{2, 1.5, 3}, {5, 1, 1}, {1, 5, 1}, {1, 1, 5}, {3, 1, 0.5}, {1, 1.2, 0.9}})
    for_all_schedules(true, [&](const Schedule& schedule) {
      BOOST_TEST_CONTEXT(text(schedule) << ", " << times.forward << " " << times.input << " " << times.weight) {
        const Simulation simulation = simulate(schedule, times);
        const int p = schedule.stages, m = schedule.micro_batches;
        const double idle = simulation.makespan - m * (times.forward + times.input + times.weight);
        if (schedule.kind != ScheduleKind::zero_bubble)
          BOOST_TEST_REQUIRE(distance(simulation.bubble_fraction, bubble_fraction(schedule)) < kTolerance);
        else if (m >= p && times.weight <= std::min(times.forward, times.input))
          BOOST_TEST_REQUIRE(distance(idle, (p - 1) * (times.forward + times.input - times.weight)) < kTolerance);
        else  // never worse than 1F1B
          BOOST_TEST_REQUIRE(idle <= (p - 1) * (times.forward + times.input + times.weight) + kTolerance);
      }
    });
}

BOOST_AUTO_TEST_CASE(slow_messages_lock_nobody) {
  for_all_schedules(true, [](const Schedule& schedule) {
    for (const double message : {0.1, 1.0, 7.0}) {
      const Simulation simulation = simulate(schedule, Durations{1, 1, 1, message});
      // There and back again, at least.
      BOOST_TEST_REQUIRE(simulation.makespan >=
                         3 + 2 * message * (schedule.stages * schedule.virtual_stages - 1) - kTolerance);
    }
  });
}

BOOST_AUTO_TEST_CASE(evaluations_of_any_size_lock_nobody_even_with_one_buffer) {
  for_all_schedules(false, [](const Schedule& schedule) {
    Lists lists;
    for (int stage = 0; stage < schedule.stages; ++stage) lists.push_back(forward_actions(schedule, stage));
    const std::vector<Durations> parts(schedule.stages * schedule.virtual_stages);
    for (const int slots : {0, 1, 2}) BOOST_TEST_REQUIRE(error_of(lists, parts, slots) == "", text(schedule));
  });
}

BOOST_AUTO_TEST_CASE(a_slow_stage_sets_the_pace) {
  std::vector<Durations> parts(4);
  parts[2] = {2, 2, 2};
  const Simulation simulation = simulate({ScheduleKind::one_forward_one_backward, 4, 100}, parts);
  BOOST_TEST(simulation.makespan >= 600);
  BOOST_TEST(simulation.makespan <= 600 + 3 * 3 + 6);
}

BOOST_AUTO_TEST_CASE(a_message_crosses_once_both_sides_are_there) {
  // One buffer: a forward of stage 0 waits until the message before has crossed, for 2. Stage 1 takes 5 for each and
  // posts one receive ahead: those of 0 and 1 at the start, that of 2 as it turns to 1.
  const std::vector<Durations> parts{{1, 0, 0, 2}, {5, 0, 0, 0}};
  const auto list = forward_actions({ScheduleKind::gpipe, 2, 4}, 0);
  const Simulation simulation = simulate(Lists{list, list}, parts, 1);
  const double sender[] = {0, 3, 6, 10}, receiver[] = {3, 8, 13, 18};  // 2 is sent at 7, its receive posted at 8
  for (int micro = 0; micro < 4; ++micro) {
    BOOST_TEST(simulation.spans[0][micro].begin == sender[micro]);
    BOOST_TEST(simulation.spans[1][micro].begin == receiver[micro]);
  }
}

BOOST_AUTO_TEST_CASE(waiting_in_a_circle_is_told_with_stage_and_action) {
  const Work f = Work::forward, b = Work::backward;
  const std::vector<Durations> parts(2);
  // Stage 0 wants a gradient before it has sent the activation.
  std::string error = error_of({{{b, 0, 0}, {f, 0, 0}}, {{f, 0, 0}, {b, 0, 0}}}, parts);
  BOOST_TEST(error.find("deadlock") != std::string::npos, error);
  BOOST_TEST(error.find("stage 0 before backward of chunk 0, micro-batch 0") != std::string::npos, error);
  BOOST_TEST(error.find("stage 1 before forward of chunk 0, micro-batch 0") != std::string::npos, error);
  // One buffer, and stage 1 takes the micro-batches the other way round: receives are posted only one ahead.
  error = error_of({{{f, 0, 0}, {f, 0, 1}, {f, 0, 2}}, {{f, 0, 2}, {f, 0, 1}, {f, 0, 0}}}, parts, 1);
  BOOST_TEST(error.find("stage 0 before forward of chunk 0, micro-batch 1: the last send") != std::string::npos, error);
  BOOST_TEST(error_of({{{f, 0, 0}, {f, 0, 1}, {f, 0, 2}}, {{f, 0, 2}, {f, 0, 1}, {f, 0, 0}}}, parts, 3) == "");
  // A message too many.
  error = error_of({{{f, 0, 0}, {f, 0, 1}}, {{f, 0, 0}}}, parts);
  BOOST_TEST(error.find("nobody receives") != std::string::npos, error);
  BOOST_CHECK_THROW(simulate(Lists{{{f, 1, 0}}}, std::vector<Durations>(1)), std::logic_error);
  BOOST_CHECK_THROW(simulate(Schedule{ScheduleKind::gpipe, 2, 2}, std::vector<Durations>(3)), std::logic_error);
}

BOOST_AUTO_TEST_CASE(a_picture_shows_the_bubble) {
  BOOST_TEST(draw(simulate({ScheduleKind::zero_bubble, 2, 2}, Durations{})) ==
             "stage 0 F0 F1 .  B0 W0 B1 W1\n"
             "stage 1 .  F0 B0 F1 B1 W0 W1\n");
  BOOST_TEST(draw(simulate({ScheduleKind::one_forward_one_backward, 2, 2}, Durations{})) ==
             "stage 0 F0 F1 .  .  B0 B0 .  B1 B1\n"
             "stage 1 .  F0 B0 B0 F1 B1 B1 .  .\n");
  BOOST_TEST(draw(simulate({ScheduleKind::interleaved, 1, 1, 2}, Durations{2, 1, 1})) == "stage 0 F0a F0b B0b B0a\n");
}

}  // namespace
}  // namespace tessera::pipeline
