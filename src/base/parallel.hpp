// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

namespace tessera::base {

/// Calls work(task, thread) for each task in [0, num_tasks), shared out to at most `threads` threads (>= 1), of which
/// the caller is one. A thread takes the next task as it becomes free, so which thread does which is left open. If
/// calls throw, the rest is abandoned and the exception of the lowest task that threw is passed on.
void run_tasks(std::size_t num_tasks, int threads, const std::function<void(std::size_t task, int thread)>& work);

}  // namespace tessera::base
