// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "comm/communicator.hpp"
#include "pipeline/runner.hpp"

namespace tessera::pipeline {

/// For each of `runs`, of which every rank gives as many: the share of the time from the first action on any stage to
/// the end of the last on any stage that this rank did not spend in actions, as mean over the ranks. What an action
/// waits for, as the sums of a tensor axis do, counts as work. Collective over `axis`, the same on every rank. Clocks
/// are compared as a trace compares them (comm/trace_gather.hpp).
std::vector<double> idle_shares(const comm::Communicator& axis, const std::vector<RunTimes>& runs);

}  // namespace tessera::pipeline
