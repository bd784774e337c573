// SPDX-License-Identifier: Apache-2.0
#include "base/trace.hpp"

namespace tessera::base {

void Trace::add(std::string name, const char* category, Clock::time_point begin, Clock::time_point end,
                std::string detail) {
  if (events_.size() >= most_events_) {
    ++dropped_;
    return;
  }
  events_.push_back({std::move(name), category, std::move(detail), begin, end});
}

void Trace::clear() {
  events_.clear();
  dropped_ = 0;
}

}  // namespace tessera::base
