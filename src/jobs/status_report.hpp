// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "jobs/run_status.hpp"
#include "json/json.hpp"

namespace tessera::jobs {

/// A few lines for a terminal. `now` is in seconds since 1970; times are shown as local ones.
std::string status_text(const Report& report, double now);

/// One object. What is unknown is null. Times are UTC, durations seconds.
json::Json status_json(const Report& report, double now);

}  // namespace tessera::jobs
