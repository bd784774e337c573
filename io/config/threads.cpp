// SPDX-License-Identifier: Apache-2.0
#include "config/threads.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sched.h>
#include <string_view>
#include <unistd.h>

#include "base/error.hpp"

namespace tessera::config {
namespace {

/// A whole number >= 1 in an environment variable, 0 if it is not set or something else. OMP_NUM_THREADS may be a list
/// for nested regions: its first number counts.
int number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (!text) return 0;
  const std::string_view first = std::string_view(text).substr(0, std::string_view(text).find(','));
  int value = 0;
  const auto [stop, error] = std::from_chars(first.data(), first.data() + first.size(), value);
  return error == std::errc() && stop == first.data() + first.size() ? std::max(0, value) : 0;
}

/// mpirun of Open MPI or MPICH. srun with PMIx sets neither.
bool is_under_mpirun() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE");
}

int parse_threads(const std::string& value, const std::string& key) {
  int threads = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, threads);
  if (error != std::errc() || stop != end || threads < 1 || threads > most_threads)
    base::fail_usage("{} = '{}' must be auto or a whole number from 1 to {}", key, value, most_threads);
  return threads;
}

}  // namespace

std::vector<int> affinity() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  const bool known = sched_getaffinity(0, sizeof set, &set) == 0;
  const int online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  for (int core = 0; core < (known ? CPU_SETSIZE : online); ++core)
    if (!known || CPU_ISSET(core, &set)) cores.push_back(core);
  return cores;
}

int affinity_cores() {
  return static_cast<int>(affinity().size());
}

int cores_for_ranks(int ranks_on_node) {
  if (ranks_on_node <= 1 && !is_under_mpirun()) return affinity_cores();
  const int online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const int allocated = number_in_environment("SLURM_CPUS_ON_NODE");
  return std::max(affinity_cores(), allocated > 0 ? std::min(allocated, online) : online);
}

int resolve_threads(const std::string& value, int ranks_on_node, const std::string& key) {
  if (value != "auto") return parse_threads(value, key);
  if (const char* text = std::getenv("OMP_NUM_THREADS"); text && *text) {
    const int threads = number_in_environment("OMP_NUM_THREADS");
    if (threads < 1)
      base::fail_usage(
          "environment variable OMP_NUM_THREADS = '{}' must be a whole number >= 1: correct it, unset it, "
          "or set run.threads",
          text);
    return threads;
  }
  const int share = cores_for_ranks(ranks_on_node) / std::max(1, ranks_on_node);
  // mpirun binds a rank to one core unless told, srun to those that were asked for.
  return std::max(1, is_under_mpirun() ? share : std::min(share, affinity_cores()));
}

}  // namespace tessera::config
