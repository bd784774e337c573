// SPDX-License-Identifier: Apache-2.0
#include "slurm/cluster.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <thread>
#include <unistd.h>

namespace tessera::testing {
namespace {

const std::string kScript = shell_quoted(TESSERA_SOURCE_DIR "/scripts/local_cluster.sh");

}  // namespace

Cluster::Cluster() {
  const std::string dir = folder_ / "cluster";
  environment_ = "export TESSERA_CLUSTER_CPUS=16 TESSERA_CLUSTER_DIR=" + shell_quoted(dir) +
                 " SLURM_CONF=" + shell_quoted(dir + "/slurm.conf") +
                 " TESSERA_SITE=" + shell_quoted(dir + "/site.env") +
                 " TESSERA_HOME=" + shell_quoted(TESSERA_SOURCE_DIR) +
                 " TESSERA_BINARY=" + shell_quoted(TESSERA_BINARY) + "; cd " + shell_quoted(folder_.path()) + "; ";
  const std::string owner = std::to_string(::getpid());
  run("setsid sh -c 'while kill -0 " + owner + R"( && test -d "$1"; do sleep 1; done; "$0" stop' )" + kScript + " " +
      shell_quoted(folder_.path()) + " >/dev/null 2>&1 &");
  const ProcessResult started = run(kScript + " start " + std::to_string(num_nodes));
  BOOST_REQUIRE_MESSAGE(started.exit_code == 0, started.errors);
}

Cluster::~Cluster() {
  try {
    run(kScript + " stop");
  } catch (const std::exception& error) {  // the watcher does it when this process ends
    std::cerr << "the cluster is not stopped yet: " << error.what() << "\n";
  }
}

ProcessResult Cluster::run(const std::string& command) const {
  return run_shell(environment_ + command);
}

const Cluster* cluster_or_skip() {
  const Cluster* cluster = shared_cluster();
  if (!cluster) std::cout << "SKIPPED: Slurm is not installed\n";
  return cluster;
}

void wait_for(const std::string& what, double seconds, const std::function<bool()>& condition,
              const std::function<std::string()>& details) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  while (!condition()) {
    BOOST_REQUIRE_MESSAGE(Clock::now() < end, "no " << what << " within " << seconds << " s\n" << details());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace tessera::testing
