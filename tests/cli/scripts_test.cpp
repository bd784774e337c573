// SPDX-License-Identifier: Apache-2.0
// How the scripts count tests: what went wrong must never look like a pass. What they say of libraries that are
// missing.
#include <filesystem>
#include <iostream>
#include <sstream>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

/// "passed failed skipped" for the log of one program.
std::string counts_of(const std::string& report) {
  const TestFolder folder;
  write_file(folder / "log", "test 1\n" + report + "1/1 Test #1: some ......   Passed\n");
  return run_shell("awk -f " + shell_quoted(TESSERA_SOURCE_DIR "/scripts/count_tests.awk") + " " +
                   shell_quoted(folder / "log"))
      .output;
}

BOOST_AUTO_TEST_CASE(test_cases_are_counted_by_their_verdict) {
  BOOST_TEST(counts_of("1: 12 test cases out of 12 passed\n") == "12 0 0\n");
  BOOST_TEST(counts_of("1: 1 test case out of 1 passed\n1: SKIPPED: no data\n") == "0 0 1\n");
  BOOST_TEST(counts_of("1: 2 test cases out of 5 failed\n1: 3 test cases out of 5 passed\n") == "3 2 0\n");
  BOOST_TEST(counts_of("1: 1 test case out of 2 aborted\n1: 1 test case out of 2 skipped\n") == "0 1 1\n");
}

BOOST_AUTO_TEST_CASE(what_is_not_a_pass_is_a_failure) {
  BOOST_TEST(counts_of("1: 9 test cases out of 9 passed\n1: 1 test case out of 1 failed on another rank\n") ==
             "9 1 0\n");
  BOOST_TEST(counts_of("1: 1 test case out of 1 exploded\n") == "0 1 0\n");
  BOOST_TEST(counts_of("1: Segmentation fault\n") == "0 1 0\n");
}

const std::string kScripts = TESSERA_SOURCE_DIR "/scripts/";

/// The environment beside `settings` must name no other folders with libraries.
ProcessResult check_setup(const std::string& settings, const std::string& what = "build") {
  return run_shell("unset CPATH LIBRARY_PATH LD_LIBRARY_PATH CXX MPI_C_COMPILER; " + settings + " " +
                   shell_quoted(kScripts + "setup.sh") + " --check " + what);
}

BOOST_AUTO_TEST_CASE(a_missing_library_is_named_as_packages_and_as_a_module) {
  const ProcessResult result = check_setup("MPI_C_COMPILER=no-such-mpicc");
  BOOST_TEST(result.exit_code == 1);
  const std::string line =
      "missing  MPI >= 3.1 (no-such-mpicc) Debian: libopenmpi-dev openmpi-bin; Spack: openmpi; module: openmpi or "
      "mpich\n";
  BOOST_TEST(result.output.find(line) != std::string::npos, result.output << result.errors);
  BOOST_TEST(result.output.find("found    CMake ") != std::string::npos, result.output);
  BOOST_TEST(check_setup("", "everything").exit_code == 2);
}

BOOST_AUTO_TEST_CASE(an_old_library_in_a_folder_of_ones_own_is_too_old) {
  const TestFolder folder;
  std::filesystem::create_directories(folder / "my own/include");
  write_file(folder / "my own/include/xxhash.h",
             "#define XXH_VERSION_MAJOR 0\n#define XXH_VERSION_MINOR 7\n#define XXH_VERSION_RELEASE 4\n");
  for (const std::string& found_by :
       {"CMAKE_PREFIX_PATH=/none:" + shell_quoted(folder / "my own"),
        "CPATH=" + shell_quoted(folder / "my own/include"),
        "CPATH=/none/include LIBRARY_PATH=" + shell_quoted(folder / "my own/lib") + " LD_LIBRARY_PATH=/none/lib"}) {
    const ProcessResult result = check_setup(found_by);
    BOOST_TEST(result.exit_code == 1);
    BOOST_TEST(result.output.find("\n0.7.4    xxHash >= 0.8            Debian: libxxhash-dev; Spack: xxhash;") !=
                   std::string::npos,
               result.output << result.errors);
  }
}

BOOST_AUTO_TEST_CASE(without_a_package_manager_setup_says_what_is_here) {
  const TestFolder folder;
  const std::string links = "cp -rs /usr/bin " + shell_quoted(folder / "bin") + " && rm -f " +
                            shell_quoted(folder / "bin/dpkg-query") + " && PATH=" + shell_quoted(folder / "bin");
  const ProcessResult result = run_shell(links + " " + shell_quoted(kScripts + "setup.sh") + " build");
  BOOST_TEST(result.output.find("This is no Debian system, so nothing is installed.") == 0U, result.errors);
  BOOST_TEST(result.output.find("\nfound    CMake ") != std::string::npos, result.output << result.errors);
}

/// A Debian that lacks the packages of $absent and does not know those of $unknown.
BOOST_AUTO_TEST_CASE(a_package_that_some_tests_need_is_no_error) {
  const TestFolder folder;
  const auto program = [&](const std::string& name, const std::string& script) {
    write_file(folder / name, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  };
  program("dpkg-query", "case \" $absent \" in *\" $3 \"*) ;; *) echo install ok installed ;; esac");
  program("apt-get", "echo \"$@\" >>" + shell_quoted(folder / "calls") +
                         "; for word; do case \" $unknown \" in *\" $word \"*) exit 100 ;; esac; done");
  program("sudo", "exec \"$@\"");
  const auto setup = [&](const std::string& settings) {
    return run_shell("export " + settings + " PATH=" + shell_quoted(folder.path()) + ":$PATH; " +
                     shell_quoted(kScripts + "setup.sh") + " test");
  };
  const ProcessResult without = setup("absent='cmake mpich patchelf' unknown=mpich");
  BOOST_TEST(without.exit_code == 0, without.errors);
  BOOST_TEST(without.output.find("not installed: mpich (") != std::string::npos, without.output);
  BOOST_TEST(without.output.find("not installed: patchelf") == std::string::npos, without.output);
  BOOST_TEST(read_file(folder / "calls").find("install -y -qq --no-install-recommends patchelf\n") !=
             std::string::npos);
  BOOST_TEST(setup("absent=patchelf unknown=update").exit_code == 0);
  BOOST_TEST(setup("absent=cmake unknown=update").exit_code == 1);
  BOOST_TEST(setup("absent='cmake patchelf' unknown=cmake").exit_code == 100);
}

BOOST_AUTO_TEST_CASE(packages_are_the_same_in_scripts_and_readme) {
  const std::string setup = read_file(kScripts + "setup.sh");
  const std::size_t begin = setup.find("\nbuild=\"") + 8;
  std::istringstream packages(setup.substr(begin, setup.find('"', begin) - begin));
  const std::string check = read_file(kScripts + "check_setup.sh"), readme = read_file(TESSERA_SOURCE_DIR "/README.md");
  int count = 0;
  for (std::string package; packages >> package; ++count) {
    BOOST_TEST(check.find(package) != std::string::npos, package << " is not in check_setup.sh");
    const bool is_library = package.find("-dev") != std::string::npos;
    BOOST_TEST((!is_library || readme.find(package) != std::string::npos), package << " is not in README.md");
  }
  BOOST_TEST(count >= 10);
}

/// A job of --submit runs in the folder of the user, and may have another TESSERA_HOME.
BOOST_AUTO_TEST_CASE(the_site_of_a_bundle_finds_its_program_from_any_folder) {
  const TestFolder folder;
  const std::string script = read_file(kScripts + "bundle.sh"), begin = ">\"$bundle/slurm/site.env\" <<'END'\n";
  const std::size_t at = script.find(begin) + begin.size();
  std::filesystem::create_directories(folder / "a bundle/slurm");
  write_file(folder / "a bundle/slurm/site.env", script.substr(at, script.find("\nEND\n", at) + 1 - at));
  const std::string show =
      "cd / && home=/elsewhere bash -uc '. \"$1\"; echo \"$TESSERA_BINARY\"; echo \"$PATH\"' bash ";
  const ProcessResult result = run_shell(show + shell_quoted(folder / "a bundle/slurm/site.env"));
  BOOST_TEST(result.output.starts_with((folder / "a bundle/bin/tessera") + "\n" + (folder / "a bundle/bin") + ":"),
             result.output << result.errors);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_bundled_or_fetched_is_said) {
  const TestFolder folder;
  const ProcessResult bundle = run_shell("TESSERA_BINARY=/bin/true " + shell_quoted(kScripts + "bundle.sh") + " " +
                                         shell_quoted(folder / "bundle.tar.gz"));
  BOOST_TEST(bundle.exit_code == 1);
  BOOST_TEST(bundle.errors.starts_with("error: "), bundle.errors);
  BOOST_TEST(!std::filesystem::exists(folder / "bundle.tar.gz"));

  const ProcessResult fetched =
      run_shell("PIP_INDEX_URL=http://127.0.0.1:9/ PIP_NO_CACHE_DIR=1 " + shell_quoted(kScripts + "onednn3.sh") + " " +
                shell_quoted(folder / "onednn"));
  BOOST_TEST(fetched.exit_code == 1);
  BOOST_TEST(fetched.errors.starts_with("no oneDNN 3 from PyPI: "), fetched.errors);
  BOOST_TEST(!std::filesystem::exists(folder / "onednn/complete"));
}

/// A failure, not a reason to skip tests.
BOOST_AUTO_TEST_CASE(a_wheel_that_is_not_the_one_that_was_pinned_is_refused) {
  if (run_shell("python3 -m pip --version").exit_code != 0) {
    std::cout << "SKIPPED: pip is not installed\n";
    return;
  }
  const TestFolder folder;
  const auto fetch = [&] {
    return run_shell("export PIP_NO_INDEX=1 PIP_FIND_LINKS=" + shell_quoted(folder.path()) + "; " +
                     shell_quoted(kScripts + "onednn3.sh") + " " + shell_quoted(folder / "onednn"));
  };
  BOOST_TEST(fetch().exit_code == 1);
  write_file(folder / "onednn_cpu_gomp-2023.2.0-py3-none-any.whl", "another");
  expect_error(fetch(), 2, "is not the one that was pinned");
  BOOST_TEST(!std::filesystem::exists(folder / "onednn/complete"));
}

}  // namespace
}  // namespace tessera::testing
