// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.hpp"

#include <boost/test/unit_test.hpp>

namespace tessera::testing {
namespace {

BOOST_AUTO_TEST_CASE(file_systems_have_their_names) {
  BOOST_TEST(base::file_system_of("/dev/shm").name == "tmpfs");
  BOOST_TEST(base::file_system_of("/proc").free_bytes == 0u);
  BOOST_TEST(base::describe({"ext4", std::uint64_t{3} << 30}) == "on ext4, 3.00 GiB free");
  BOOST_TEST(base::describe({}) == "on an unknown file system");
}

/// A run folder is told before it is made.
BOOST_AUTO_TEST_CASE(the_nearest_folder_stands_for_one_that_is_not_there) {
  BOOST_TEST(base::file_system_of("/dev/shm/absent/run").name == "tmpfs");
  BOOST_TEST(base::file_system_of("absent").name == base::file_system_of(".").name);
  BOOST_TEST(!base::file_system_of("/absent").name.empty());
}

}  // namespace
}  // namespace tessera::testing
