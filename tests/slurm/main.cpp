// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE slurm
#include <boost/test/unit_test.hpp>
#include <memory>

#include "slurm/early_jobs.hpp"

namespace tessera::testing {
namespace {

/// Owns the cluster of the program. Boost.Test makes one before the first test case and ends it behind the last.
class ClusterOfProgram {
 public:
  ClusterOfProgram() { self = this; }
  ~ClusterOfProgram() { self = nullptr; }

  void setup() {
    const std::string find =
        "PATH=$PATH:/usr/sbin:/sbin; for program in munged slurmctld slurmd sbatch; do command -v $program || exit 1; "
        "done";
    if (run_shell(find).exit_code != 0) return;
    cluster_ = std::make_unique<Cluster>();
    EarlyJobs::submit_all();
  }
  void teardown() {
    EarlyJobs::end_all();
    cluster_.reset();
  }

  static const Cluster* cluster() { return self ? self->cluster_.get() : nullptr; }

 private:
  static inline ClusterOfProgram* self = nullptr;  // Boost.Test hands its global fixtures to nobody
  std::unique_ptr<Cluster> cluster_;
};

BOOST_TEST_GLOBAL_FIXTURE(ClusterOfProgram);

}  // namespace

const Cluster* shared_cluster() {
  return ClusterOfProgram::cluster();
}

}  // namespace tessera::testing
