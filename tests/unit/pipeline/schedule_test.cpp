// SPDX-License-Identifier: Apache-2.0
#include "pipeline/schedule.hpp"

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <stdexcept>

#include "unit/pipeline/fixture.hpp"

namespace tessera::pipeline {
namespace {

constexpr auto kOneForwardOneBackward = ScheduleKind::one_forward_one_backward;

/// Micro-batches of one kind of work on one chunk, in the order of the list.
std::vector<int> micros(const std::vector<Action>& list, Work work, int chunk) {
  std::vector<int> found;
  for (const Action& action : list)
    if (action.work == work && action.chunk == chunk) found.push_back(action.micro);
  return found;
}

/// Micro-batches in flight at most, summed over the chunks of a stage.
int most_in_flight_together(std::vector<Action> list) {
  for (Action& action : list) action.chunk = 0;
  return most_in_flight(list, 0);
}

BOOST_AUTO_TEST_CASE(every_micro_batch_passes_every_chunk_once_and_in_ascending_order) {
  for_all_schedules(true, [](const Schedule& schedule) {
    BOOST_TEST_CONTEXT(text(schedule)) {
      const bool split = schedule.kind == ScheduleKind::zero_bubble;
      std::vector<int> all, none;
      for (int micro = 0; micro < schedule.micro_batches; ++micro) all.push_back(micro);
      for (int stage = 0; stage < schedule.stages; ++stage) {
        const auto list = actions(schedule, stage);
        BOOST_TEST_REQUIRE(list.size() == all.size() * schedule.virtual_stages * (split ? 3 : 2));
        for (int chunk = 0; chunk < schedule.virtual_stages; ++chunk) {
          BOOST_TEST_REQUIRE(micros(list, Work::forward, chunk) == all);
          BOOST_TEST_REQUIRE(micros(list, Work::backward, chunk) == (split ? none : all));
          BOOST_TEST_REQUIRE(micros(list, Work::backward_input, chunk) == (split ? all : none));
          BOOST_TEST_REQUIRE(micros(list, Work::backward_weight, chunk) == (split ? all : none));
        }
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(each_part_of_a_micro_batch_waits_for_the_one_before) {
  for_all_schedules(true, [](const Schedule& schedule) {
    for (int stage = 0; stage < schedule.stages; ++stage) {
      // Parts done of each chunk and micro-batch: forward, then backward or input, then weight.
      std::vector<std::array<int, 16>> done(schedule.virtual_stages);
      for (const Action& action : actions(schedule, stage)) {
        const int before = action.work == Work::forward ? 0 : action.work == Work::backward_weight ? 2 : 1;
        BOOST_TEST_REQUIRE(done[action.chunk][action.micro]++ == before);
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(memory_keeps_the_bound_of_the_schedule_and_reaches_it) {
  for_all_schedules(true, [](const Schedule& schedule) {
    const int p = schedule.stages, m = schedule.micro_batches, v = schedule.virtual_stages;
    for (int stage = 0; stage < p; ++stage) {
      BOOST_TEST_CONTEXT(text(schedule) << ", stage " << stage) {
        const auto list = actions(schedule, stage);
        switch (schedule.kind) {
          case ScheduleKind::gpipe:
            BOOST_TEST_REQUIRE(most_in_flight(list, 0) == m);
            break;
          case kOneForwardOneBackward:
            BOOST_TEST_REQUIRE(most_in_flight(list, 0) == std::min(m, p - stage));
            break;
          case ScheduleKind::zero_bubble:
            BOOST_TEST_REQUIRE(most_in_flight(list, 0) == std::min(m, p));
            break;
          case ScheduleKind::interleaved:
            // At most p + (p - 1) / v micro-batches of whole stages: p v + p - 1 of single chunks.
            BOOST_TEST_REQUIRE(most_in_flight_together(list) == std::min(v * m, (v - 1) * p + 2 * (p - stage - 1) + 1));
            for (int chunk = 0; chunk < v; ++chunk) BOOST_TEST_REQUIRE(most_in_flight(list, chunk) <= 2 * p);
        }
      }
    }
  });
}

BOOST_AUTO_TEST_CASE(one_stage_alternates_with_one_micro_batch_in_flight) {
  std::vector<Action> plain, split;
  for (int micro = 0; micro < 5; ++micro) {
    plain.insert(plain.end(), {{Work::forward, 0, micro}, {Work::backward, 0, micro}});
    split.insert(split.end(),
                 {{Work::forward, 0, micro}, {Work::backward_input, 0, micro}, {Work::backward_weight, 0, micro}});
  }
  BOOST_TEST((actions({kOneForwardOneBackward, 1, 5}, 0) == plain));
  BOOST_TEST((actions({ScheduleKind::interleaved, 1, 5}, 0) == plain));
  BOOST_TEST((actions({ScheduleKind::zero_bubble, 1, 5}, 0) == split));
  BOOST_TEST(most_in_flight(plain, 0) == 1);
  BOOST_TEST(most_in_flight(split, 0) == 1);
}

BOOST_AUTO_TEST_CASE(interleaved_of_megatron_written_out) {
  // Stage 1 of 2 with two chunks and four micro-batches: two forwards of warm-up, then one each.
  std::string seen;
  for (const Action& action : actions({ScheduleKind::interleaved, 2, 4, 2}, 1))
    seen += fmt::format("{}{}{} ", action.work == Work::forward ? 'F' : 'B', action.chunk, action.micro);
  BOOST_TEST(seen == "F00 F01 F10 B10 F11 B11 F02 B00 F03 B01 F12 B12 F13 B13 B02 B03 ");
}

BOOST_AUTO_TEST_CASE(an_evaluation_runs_the_same_forwards_on_all_stages) {
  for_all_schedules(false, [](const Schedule& schedule) {
    const auto first = forward_actions(schedule, 0);
    BOOST_TEST_REQUIRE(first.size() == static_cast<std::size_t>(schedule.micro_batches * schedule.virtual_stages));
    for (int chunk = 0; chunk < schedule.virtual_stages; ++chunk) {
      const auto order = micros(first, Work::forward, chunk);
      BOOST_TEST_REQUIRE(order.size() == static_cast<std::size_t>(schedule.micro_batches));
      for (int micro = 0; micro < schedule.micro_batches; ++micro) BOOST_TEST_REQUIRE(order[micro] == micro);
    }
    for (int stage = 1; stage < schedule.stages; ++stage)
      BOOST_TEST_REQUIRE((forward_actions(schedule, stage) == first));
  });
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const Schedule uneven{ScheduleKind::interleaved, 4, 6, 2};
  BOOST_CHECK_THROW(actions(uneven, 0), std::logic_error);
  BOOST_CHECK_THROW(bubble_fraction(uneven), std::logic_error);
  BOOST_CHECK_NO_THROW(forward_actions(uneven, 0));
  BOOST_CHECK_THROW(actions({ScheduleKind::gpipe, 4, 4, 2}, 0), std::logic_error);
  BOOST_CHECK_THROW(actions({ScheduleKind::gpipe, 4, 4}, 4), std::logic_error);
  BOOST_CHECK_THROW(actions({ScheduleKind::gpipe, 4, 4}, -1), std::logic_error);
  BOOST_CHECK_THROW(actions({ScheduleKind::gpipe, 0, 4}, 0), std::logic_error);
  BOOST_CHECK_THROW(actions({ScheduleKind::gpipe, 4, 0}, 0), std::logic_error);
  BOOST_CHECK_THROW(forward_actions({ScheduleKind::gpipe, 4, 0}, 0), std::logic_error);
}

BOOST_AUTO_TEST_CASE(schedules_have_the_names_of_the_configuration) {
  BOOST_TEST((schedule_of("gpipe") == ScheduleKind::gpipe));
  BOOST_TEST((schedule_of("1f1b") == kOneForwardOneBackward));
  BOOST_TEST((schedule_of("interleaved") == ScheduleKind::interleaved));
  BOOST_TEST((schedule_of("zero_bubble") == ScheduleKind::zero_bubble));
  BOOST_CHECK_THROW(schedule_of("1F1B"), std::logic_error);
}

}  // namespace
}  // namespace tessera::pipeline
