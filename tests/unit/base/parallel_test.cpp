// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::testing {
namespace {

BOOST_AUTO_TEST_CASE(each_task_runs_once) {
  for (const int threads : {1, 2, 3, 7}) {
    for (const std::size_t num_tasks : {std::size_t{0}, std::size_t{1}, std::size_t{1000}}) {
      std::vector<int> runs(num_tasks);
      base::run_tasks(num_tasks, threads, [&](std::size_t task, int thread) {
        ++runs[task];
        if (thread < 0 || thread >= threads) throw std::logic_error("no such thread");
      });
      BOOST_TEST((runs == std::vector<int>(num_tasks, 1)));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_lowest_task_that_throws_is_heard) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    try {
      base::run_tasks(100, 3, [](std::size_t task, int) {
        if (task >= 40) throw std::runtime_error(std::to_string(task));
      });
      BOOST_ERROR("nothing was thrown");
    } catch (const std::runtime_error& error) {
      BOOST_TEST(error.what() == std::string("40"));
    }
  }
}

}  // namespace
}  // namespace tessera::testing
