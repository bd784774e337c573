// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_sums.hpp"

#include <algorithm>
#include <array>

#include "base/stopwatch.hpp"

namespace tessera::tools {
namespace {

double seconds_of_sum(train::Replica& replica, const data_parallel::SyncSettings& settings) {
  const comm::Communicator& world = replica.mesh().all();
  const model::Parameters& parameters = replica.parameters();
  data_parallel::GradientSync sync(replica.mesh().data(), replica.device(), model::sync_tensors(parameters), settings);
  const auto sum = [&] {
    world.barrier("bench gradient sum");
    const base::Clock::time_point start = base::Clock::now();
    for (int group = parameters.all().back().group; group >= 0; --group) {
      if (settings.zero == 2)
        for (const int other : parameters.groups_in_memory_of(group)) sync.settle(other);
      sync.ready(group);
    }
    sync.finish();
    return world.max(base::seconds_since(start), "time of a gradient sum");
  };
  sum();  // touches the work space
  std::array<double, kNumGradientSums> seconds{};
  for (double& one : seconds) one = sum();
  std::sort(seconds.begin(), seconds.end());
  return seconds[kNumGradientSums / 2];
}

}  // namespace

GradientSumSeconds measure_gradient_sums(train::Replica& replica) {
  data_parallel::SyncSettings settings = model::sync_settings(replica.config());
  settings.mpi_reduce = false;
  GradientSumSeconds seconds;
  seconds.ordered = seconds_of_sum(replica, settings);
  settings.mpi_reduce = true;
  settings.wire = data_parallel::Wire::fp32;
  seconds.mpi = seconds_of_sum(replica, settings);
  return seconds;
}

}  // namespace tessera::tools
