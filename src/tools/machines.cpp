// SPDX-License-Identifier: Apache-2.0
#include "tools/machines.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <fstream>
#include <set>
#include <sstream>

#include "config/threads.hpp"

namespace tessera::tools {
namespace {

/// Tells running kernels apart; host names need not, as private clusters and containers show.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  return file >> id ? id : "unknown";
}

}  // namespace

std::string describe_rank(const std::string& boot_id, const std::vector<int>& cores, int threads,
                          const std::string& host) {
  return fmt::format("{} {} {} {}", boot_id, fmt::join(cores, ","), threads, host);
}

std::vector<Machine> count_machines(const std::vector<std::string>& ranks) {
  std::vector<Machine> machines;
  std::vector<std::string> ids;
  std::vector<std::set<int>> cores;
  for (const std::string& rank : ranks) {
    std::istringstream words(rank);
    std::string id, list, host;
    std::int64_t threads = 0;
    words >> id >> list >> threads >> host;
    if (id == "unknown") id += host;
    const auto at = static_cast<std::size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
    if (at == ids.size()) {
      ids.push_back(id);
      cores.emplace_back();
      machines.push_back({host});
    }
    std::istringstream numbers(list);
    for (std::string number; std::getline(numbers, number, ',');) cores[at].insert(std::stoi(number));
    machines[at].ranks += 1;
    machines[at].threads += threads;
    machines[at].cores = static_cast<std::int64_t>(cores[at].size());
  }
  return machines;
}

std::vector<Machine> find_machines(const comm::Communicator& world, int threads) {
  const std::string mine = describe_rank(boot_id(), config::affinity(), threads, world.host());
  return count_machines(world.gather_text(mine, "machines"));
}

const Machine& most_crowded(const std::vector<Machine>& machines) {
  return *std::max_element(machines.begin(), machines.end(), [](const Machine& one, const Machine& other) {
    return one.threads * other.cores < other.threads * one.cores;
  });
}

}  // namespace tessera::tools
