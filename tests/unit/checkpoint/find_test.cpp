// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <unistd.h>

#include "unit/checkpoint/sample_file.hpp"

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

struct Folder {
  std::string run = fs::temp_directory_path() / ("tessera-find-" + std::to_string(::getpid()));
  std::string dir = run + "/checkpoints";
  Folder() { fs::create_directories(dir); }
  ~Folder() { fs::remove_all(run); }
  void add(const std::string& name) const { write_bytes(dir + "/" + name, "x"); }
};

BOOST_FIXTURE_TEST_CASE(remnants_are_told_from_checkpoints_and_strangers, Folder) {
  for (const char* name : {"step-00000008.h5", "step-00000007.h5.damaged", "step-00000009.h5.tmp",
                           "step-00000007.h5.damaged.2", "step-7.h5.damaged", "step-00000007.h5.damaged2",
                           "step-00000007.h5.tmp.1", "other.h5.tmp", "step-00000006.h5.d"})
    add(name);
  fs::create_directory(dir + "/step-00000005.h5.tmp");
  std::vector<std::string> found;
  for (const Remnant& remnant : list_remnants(dir)) {
    found.push_back(fs::path(remnant.path).filename().string());
    BOOST_TEST(remnant.is_aside == (remnant.step == 7));
  }
  BOOST_TEST(found == std::vector<std::string>(
                          {"step-00000009.h5.tmp", "step-00000007.h5.damaged", "step-00000007.h5.damaged.2"}),
             boost::test_tools::per_element());
  BOOST_TEST(list_newest_first(dir).size() == 1U);

  BOOST_TEST(remove_leftovers(dir) == std::vector<std::string>{dir + "/step-00000009.h5.tmp"},
             boost::test_tools::per_element());
  BOOST_TEST(!fs::exists(dir + "/step-00000009.h5.tmp"));
  for (const char* kept : {"step-00000008.h5", "step-00000007.h5.damaged", "other.h5.tmp", "step-00000005.h5.tmp"})
    BOOST_TEST(fs::exists(dir + "/" + kept), kept);
}

BOOST_FIXTURE_TEST_CASE(a_folder_is_found_by_what_is_in_it, Folder) {
  const auto refusal = [](const std::string& path) -> std::string {
    try {
      return "found " + folder_of(path);
    } catch (const base::UsageError& error) {
      return error.what();
    }
  };
  BOOST_TEST(refusal(run).find("holds no checkpoint") != std::string::npos);
  add("step-00000007.h5.damaged");
  BOOST_TEST(refusal(run) == "found " + dir);
  BOOST_TEST(refusal(dir) == "found " + dir);
  BOOST_TEST(refusal(dir + "/step-00000007.h5.damaged").find("is a file: name its folder") != std::string::npos);
  BOOST_TEST(refusal(run + "/absent").find("does not exist") != std::string::npos);
}

}  // namespace
}  // namespace tessera::checkpoint
