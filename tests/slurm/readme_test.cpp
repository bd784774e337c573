// SPDX-License-Identifier: Apache-2.0
// A new user's path: the first commands of slurm/README.md, word for word.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "slurm/cluster.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// The first block of commands from `at` on, which moves behind it.
std::string next_block(const std::string& text, std::size_t& at) {
  const std::string fence = "\n```\n";
  const std::size_t begin = text.find(fence, at), end = text.find(fence, begin + fence.size());
  BOOST_REQUIRE(end != std::string::npos);
  at = end + fence.size();
  return text.substr(begin + fence.size(), end + 1 - begin - fence.size());
}

/// What a test cannot do again: fetch the sources, load the modules of a site, and build for minutes. It takes the
/// sources and the program that are here.
std::string stand_ins() {
  const std::string source = shell_quoted(TESSERA_SOURCE_DIR) + "/", program = shell_quoted(TESSERA_BINARY);
  return "git() { mkdir -p tessera/build/release/bin tessera/slurm && ln -s " + source + "configs " + source + "docs " +
         source + "scripts tessera && cp " + source +
         "slurm/* tessera/slurm && rm -f tessera/slurm/site.env && ln -s " + program +
         " tessera/build/release/bin; }\n" + "module() { :; }\n" +
         "cmake() { [ \"$1 $2\" = '--preset release' ] || [ \"$1 $2\" = '--build build/release' ]; }\n";
}

BOOST_AUTO_TEST_CASE(the_commands_of_the_readme_train_a_first_run) {
  const Cluster* cluster = cluster_or_skip();
  if (!cluster) return;
  const TestFolder folder;
  std::string readme = read_file(TESSERA_SOURCE_DIR "/slurm/README.md");
  std::size_t at = 0;
  std::string first = next_block(readme, at);
  const std::string second = next_block(readme, at), placeholder = "<this repository>";
  BOOST_REQUIRE(first.find(placeholder) != std::string::npos);
  first.replace(first.find(placeholder), placeholder.size(), "here");

  const std::string begin = "unset TESSERA_HOME TESSERA_BINARY; cd " + shell_quoted(folder.path()) + "\n";
  const ProcessResult submitted = cluster->run(begin + stand_ins() + "set -e\n" + first);
  BOOST_REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.output << submitted.errors);
  const std::string told = "Submitted batch job ";
  const std::size_t number = submitted.output.rfind(told);
  BOOST_REQUIRE_MESSAGE(number != std::string::npos, submitted.output);
  const std::string id = submitted.output.substr(number + told.size(), submitted.output.find('\n', number));
  const auto log = [&] { return cluster->run(begin + "cat tessera/slurm-*.out; scontrol show job " + id).output; };
  wait_for(
      "end of the first job", 180,
      [&] { return cluster->run("scontrol show job " + id).output.find("JobState=COMPLETED") != std::string::npos; },
      log);

  const ProcessResult after = cluster->run(begin + "cd tessera; PATH=$PWD/build/release/bin:$PATH; set -e\n" + second);
  BOOST_TEST(after.exit_code == 0, after.output << after.errors << log());
  BOOST_TEST(after.output.find("start 0: exit code 0\n") != std::string::npos, after.output);
  BOOST_TEST(after.output.find("finished") != std::string::npos, after.output);
  BOOST_TEST(after.output.find("The ") != std::string::npos, after.output);
  BOOST_TEST(fs::exists(folder / "tessera/runs/shakespeare_char/checkpoints/step-00000200.h5"));
}

}  // namespace
}  // namespace tessera::testing
