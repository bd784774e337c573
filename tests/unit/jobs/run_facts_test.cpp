// SPDX-License-Identifier: Apache-2.0
#include "jobs/run_facts.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/folder.hpp"

namespace tessera::jobs {
namespace {

BOOST_AUTO_TEST_CASE(what_stands_in_place_of_a_file_is_passed_over) {
  const testing::Folder folder;
  const std::string dir = folder.path.string();
  std::filesystem::create_directories(folder.path / "config.cfg");
  std::filesystem::create_directories(folder.path / "metrics.jsonl");
  std::filesystem::create_directories(folder.path / "log" / "starts.jsonl");
  folder.write("log/submits.jsonl",
               "{\"time\":1,\"job\":\"x y\",\"script\":\"s\",\"output\":\"o\"}\n"
               "{\"time\":2,\"job\":\"94\",\"script\":\"s\",\"output\":\"o\"}\n");
  const RunFacts run = read_run(dir);
  BOOST_TEST(run.config_problem.find("config.cfg") != std::string::npos);
  BOOST_TEST(run.starts.empty());
  BOOST_TEST((run.jobs() == std::vector<std::string>{"94"}));
}

}  // namespace
}  // namespace tessera::jobs
