// SPDX-License-Identifier: Apache-2.0
// The bundle (scripts/bundle.sh) trains over two nodes wherever it is unpacked, and only the C library is the
// machine's.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

#include "cli/fixture.hpp"
#include "slurm/cluster.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// Programs of `bundle` and what the dynamic linker initialised in them, by its log of one process. A shell may be in
/// front: what a process loads comes before the line that names its program, or behind the last such line.
void add_loaded(const fs::path& log, const std::string& bundle, std::set<std::string>& programs,
                std::set<std::string>& loaded) {
  std::ifstream file(log);
  std::set<std::string> libraries;
  bool is_of_bundle = false;
  const auto finish = [&] {
    if (is_of_bundle) loaded.merge(libraries);
    libraries.clear();
  };
  for (std::string line; std::getline(file, line);) {
    const std::string last = line.substr(line.rfind(' ') + 1);
    if (line.find("calling init: ") != std::string::npos) libraries.insert(fs::path(last).lexically_normal());
    if (line.find("initialize program: ") == std::string::npos) continue;
    is_of_bundle = last.starts_with(bundle + "/libexec/");
    if (is_of_bundle) programs.insert(fs::path(last).filename());
    finish();
  }
  finish();
}

bool is_of_c_library(const std::string& path) {
  const std::string name = fs::path(path).filename();
  const auto begins = [&name](const char* prefix) { return name.starts_with(prefix); };
  return std::ranges::any_of(
      std::initializer_list<const char*>{"libc.so.", "libm.so.", "libdl.so.", "libpthread.so.", "librt.so.",
                                         "libresolv.so.", "libutil.so.", "libnss_", "ld-linux"},
      begins);
}

/// A bundle in a folder of its own, which holds no other way to the libraries.
struct BundleFixture : RunFixture {
  std::string bundle = folder / "moved/tessera";

  bool unpack() const {
    if (run_shell("command -v patchelf").exit_code != 0) {
      std::cout << "SKIPPED: patchelf is not installed\n";
      return false;
    }
    const ProcessResult made = run_shell(
        "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TESSERA_BINARY=" +
        shell_quoted(TESSERA_BINARY) + "; cd " + shell_quoted(folder.path()) + " && " +
        shell_quoted(TESSERA_SOURCE_DIR "/scripts/bundle.sh") + " && mkdir moved && tar -C moved -xzf tessera.tar.gz");
    BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.errors);
    return true;
  }

  /// Trains under the bundle's own train.sbatch and site.env, behind what the cluster wants to have set.
  void trains_on_two_nodes(const Cluster& cluster, const std::string& launcher) const {
    const std::string site = bundle + "/slurm/site.env", log = folder / ("log-" + launcher),
                      logs = folder / ("loaded-" + launcher), run_dir = folder / ("run-" + launcher);
    fs::create_directory(logs);
    const ProcessResult job = cluster.run(
        "{ cat $TESSERA_SITE; echo " + shell_quoted(". " + shell_quoted(site)) + "; echo TESSERA_LAUNCHER=" + launcher +
        "; } >site-of-bundle; unset TESSERA_BINARY TESSERA_LAUNCHER; export"
        " TESSERA_SITE=$PWD/site-of-bundle TESSERA_HOME=" +
        shell_quoted(bundle) + " LD_DEBUG=files LD_DEBUG_OUTPUT=" + shell_quoted(logs + "/of") +
        "; sbatch --wait --nodes=2 --ntasks-per-node=1 --exclude=" + Cluster::lost_node +
        " --output=" + shell_quoted(log) + " " + shell_quoted(bundle + "/slurm/train.sbatch") + " " +
        shell_quoted(config) + " --run.dir=" + shell_quoted(run_dir));
    BOOST_TEST(job.exit_code == 0, job.errors << read_file(log));
    BOOST_TEST(fs::exists(run_dir + "/checkpoints/step-00000008.h5"));

    std::set<std::string> programs, loaded;
    for (const fs::directory_entry& file : fs::directory_iterator(logs))
      add_loaded(file.path(), bundle, programs, loaded);
    BOOST_TEST(programs.contains("tessera"));
    BOOST_TEST(programs.contains("mpirun") == (launcher == "mpirun"));
    for (const char* name : {"/lib/libmpi.so.40", "/lib/libhdf5", "/lib/libdnnl.so", "/lib/openmpi/mca_btl_tcp.so"})
      BOOST_TEST(std::ranges::any_of(loaded, [&](const std::string& path) { return path.starts_with(bundle + name); }),
                 "no " << name << " was loaded");
    for (const std::string& path : loaded)
      BOOST_TEST((path.starts_with(bundle) || is_of_c_library(path)), path << " is not of the bundle");
  }
};

BOOST_FIXTURE_TEST_CASE(a_bundle_trains_on_two_nodes_with_nothing_but_the_c_library, BundleFixture) {
  const Cluster* cluster = cluster_or_skip();
  if (!cluster || !unpack()) return;
  trains_on_two_nodes(*cluster, "srun");
  trains_on_two_nodes(*cluster, "mpirun");
}

}  // namespace
}  // namespace tessera::testing
