// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "comm/communicator.hpp"

namespace tessera::comm {

/// Runs `action`, which must send no message, on every rank and tells all how it went. If it threw on any rank, every
/// rank throws base::SharedError with the exit code of the lowest rank that failed; equal messages are shown once,
/// different ones with their ranks. Collective over `ranks`. `what` names the action in time-outs.
void together(const Communicator& ranks, const char* what, const std::function<void()>& action);

}  // namespace tessera::comm
