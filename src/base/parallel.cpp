// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera::base {

void run_tasks(std::size_t num_tasks, int threads, const std::function<void(std::size_t task, int thread)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  std::size_t error_task = num_tasks;
  const auto serve = [&](int thread) {
    for (std::size_t task = next++; task < num_tasks; task = next++) {
      try {
        work(task, thread);
      } catch (...) {
        next = num_tasks;
        const std::lock_guard lock(mutex);
        if (task < error_task) {
          error_task = task;
          error = std::current_exception();
        }
      }
    }
  };
  const std::size_t num_threads = std::min(num_tasks, static_cast<std::size_t>(std::max(threads, 1)));
  std::vector<std::jthread> helpers;
  for (std::size_t thread = 1; thread < num_threads; ++thread) helpers.emplace_back(serve, static_cast<int>(thread));
  serve(0);
  helpers.clear();  // joins
  if (error) std::rethrow_exception(error);
}

}  // namespace tessera::base
