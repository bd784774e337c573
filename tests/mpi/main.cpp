// SPDX-License-Identifier: Apache-2.0
// The tests run on every rank at once, so each case is collective. Rank 0 reports; a failure on any rank is a failure.
#define BOOST_TEST_MODULE mpi
#define BOOST_TEST_NO_MAIN
#include <boost/test/unit_test.hpp>
#include <iostream>

#include "base/error.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {

namespace {

comm::Communicator* all_ranks = nullptr;  // test cases take no arguments

}  // namespace

comm::Communicator& world() {
  return *all_ranks;
}

void set_world(comm::Communicator& ranks) {
  all_ranks = &ranks;
}

}  // namespace tessera::testing

int main(int argc, char** argv) {
  tessera::comm::Environment environment(argc, argv);
  tessera::comm::Communicator world = tessera::comm::Communicator::world(60.0);
  tessera::testing::set_world(world);
  std::streambuf* const report = std::cerr.rdbuf();
  if (world.rank() != 0) std::cerr.rdbuf(nullptr);  // their failures are written to the log stream
  const int mine = boost::unit_test::unit_test_main(init_unit_test, argc, argv);
  std::cerr.rdbuf(report);
  int worst = 0;
  try {
    worst = static_cast<int>(world.max(mine, "exit codes of the tests"));
    if (world.rank() == 0 && worst != mine) std::cerr << "1 test case out of 1 failed on another rank\n";
  } catch (const tessera::base::Error& error) {
    std::cerr << error.what() << '\n';
    world.abort(1);
  }
  return worst;
}
