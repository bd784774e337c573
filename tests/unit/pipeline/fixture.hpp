// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>
#include <string>

#include "pipeline/schedule.hpp"

namespace tessera::pipeline {

inline std::string text(const Schedule& s) {
  constexpr const char* names[] = {"gpipe", "1f1b", "interleaved", "zero_bubble"};
  return fmt::format("{}, {} stages, {} micro-batches, {} virtual stages", names[static_cast<int>(s.kind)], s.stages,
                     s.micro_batches, s.virtual_stages);
}

/// Calls check(schedule) for every kind, stages 1 to 8, micro-batches 1 to 16, virtual stages 1 to 4 of interleaved.
/// `training` leaves out what interleaved refuses to train.
template <class Check>
void for_all_schedules(bool training, const Check& check) {
  for (const ScheduleKind kind : {ScheduleKind::gpipe, ScheduleKind::one_forward_one_backward,
                                  ScheduleKind::interleaved, ScheduleKind::zero_bubble})
    for (int stages = 1; stages <= 8; ++stages)
      for (int micro_batches = 1; micro_batches <= 16; ++micro_batches)
        for (int chunks = 1; chunks <= (kind == ScheduleKind::interleaved ? 4 : 1); ++chunks)
          if (!training || kind != ScheduleKind::interleaved || micro_batches % stages == 0)
            check(Schedule{kind, stages, micro_batches, chunks});
}

}  // namespace tessera::pipeline
