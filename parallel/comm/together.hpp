// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "comm/communicator.hpp"

namespace tessera::comm {

/// Runs `action`, which must send no message, on every rank and tells all how it went. If it threw on any rank, every
/// rank throws base::SharedError with the exit code of the lowest rank that failed; a message of all ranks is shown
/// alone, others with their ranks and hosts (by_rank.hpp). Collective over `ranks`. `what` names the action in
/// time-outs.
void together(const Communicator& ranks, const char* what, const std::function<void()>& action);

/// Throws base::SharedError on every rank unless all ranks give the same `text`: the message names `what` differs, each
/// text with how many ranks have it and the first of them, and `remedy`. Collective over `ranks`.
void require_equal(const Communicator& ranks, const std::string& text, const char* what, const char* remedy);

}  // namespace tessera::comm
