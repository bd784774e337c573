// SPDX-License-Identifier: Apache-2.0
#include "jobs/executor.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "jobs/mpirun.hpp"

namespace tessera::jobs {
namespace {

std::string line(const LaunchCommand& command) {
  return fmt::format("{} | {}", fmt::join(command.words, " "), fmt::join(command.environment, " "));
}

BOOST_AUTO_TEST_SUITE(executor)

BOOST_AUTO_TEST_CASE(one_rank_on_this_machine_needs_no_mpirun) {
  BOOST_TEST(line(local_executor(2)->command({{"tessera", "bench"}, 1, 4, 2})) == "tessera bench | OMP_NUM_THREADS=2");
}

BOOST_AUTO_TEST_CASE(ranks_that_outnumber_cores_hand_them_on) {
  const std::unique_ptr<Executor> two_cores = local_executor(2);
  const std::string mpirun = fmt::format("{} tessera | ", fmt::join(mpirun_words(2), " "));
  BOOST_TEST(line(two_cores->command({{"tessera"}, 2, 4, 1})) == mpirun + "OMP_NUM_THREADS=1");
  BOOST_TEST(line(two_cores->command({{"tessera"}, 2, 4, 2})) ==
             mpirun + "OMP_NUM_THREADS=2 OMPI_MCA_mpi_yield_when_idle=1");
}

BOOST_AUTO_TEST_CASE(a_step_takes_the_nodes_it_needs) {
  const SlurmAllocation job{"srun", {"--cpu-bind=cores"}, 4, 8};
  const Launch launch{{"tessera"}, 8, 4, 2};
  BOOST_TEST(launch.nodes() == 2);
  BOOST_TEST(line(step_executor(job)->command(launch)) ==
             "srun --mpi=pmix --nodes=2 --ntasks=8 --ntasks-per-node=4 --kill-on-bad-exit=1 --cpus-per-task=2 "
             "--cpu-bind=cores tessera | "
             "OMP_NUM_THREADS=2");
  const SlurmAllocation small{"mpirun", {}, 4, 2};
  BOOST_TEST(line(step_executor(small)->command(launch)) ==
             "mpirun -n 8 --map-by ppr:4:node:oversubscribe --bind-to none --mca mpi_yield_when_idle 1 tessera | "
             "OMP_NUM_THREADS=2 OMPI_MCA_mpi_yield_when_idle=1");
  BOOST_CHECK_THROW(step_executor(job)->command({{"tessera"}, 5, 1, 1}), base::UsageError);
}

BOOST_AUTO_TEST_CASE(a_step_of_fewer_ranks_than_a_node_takes_is_one_node) {
  const Launch launch{{"tessera"}, 1, 4, 8};
  BOOST_TEST(
      line(step_executor({"srun", {}, 4, 8})->command(launch)) ==
      "srun --mpi=pmix --nodes=1 --ntasks=1 --ntasks-per-node=1 --kill-on-bad-exit=1 --cpus-per-task=8 tessera | "
      "OMP_NUM_THREADS=8");
}

BOOST_AUTO_TEST_CASE(sbatch_gets_the_shape_and_the_users_words_last) {
  const BatchJob job{{"scaling.sbatch", "--only", "a"}, "a", "log/a-%j.out", 2, 4, 1, {"--time=5"}, {}};
  BOOST_TEST(fmt::format("{}", fmt::join(sbatch_words(job), " ")) ==
             "sbatch --parsable --job-name=a --output=log/a-%j.out --nodes=2 --ntasks-per-node=4 --cpus-per-task=1 "
             "--time=5 scaling.sbatch --only a");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::jobs
