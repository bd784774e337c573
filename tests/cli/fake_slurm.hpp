// SPDX-License-Identifier: Apache-2.0
// Programs of the names of Slurm's that answer what a test tells them to, in front of those that are installed.
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "support/process.hpp"

namespace tessera::testing {

class FakeSlurm {
 public:
  explicit FakeSlurm(const std::string& folder) : folder_(folder + "/slurm-bin") {
    std::filesystem::create_directories(folder_);
    program("squeue", "echo \"$@\" >>" + shell_quoted(folder_ + "/calls") + "; cat " + shell_quoted(folder_ + "/jobs"));
    program("sbatch", "echo \"$@\" >>" + shell_quoted(folder_ + "/submitted") + "; env | grep ^SBATCH_ >" +
                          shell_quoted(folder_ + "/environment") + "; echo 4711");
    program("sacct", "exit 1");
    answer("");
  }
  /// What squeue prints from now on.
  void answer(const std::string& lines) const { write_file(folder_ + "/jobs", lines + "\n"); }
  /// Puts another program in place of one.
  void program(const std::string& name, const std::string& script) const {
    write_file(folder_ + "/" + name, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(folder_ + "/" + name, std::filesystem::perms::owner_all);
  }
  std::string calls() const { return read_file(folder_ + "/calls"); }          ///< arguments squeue got, a line each
  std::string submitted() const { return read_file(folder_ + "/submitted"); }  ///< arguments sbatch got
  std::string environment() const { return read_file(folder_ + "/environment"); }  ///< SBATCH_ variables it saw
  /// A shell command that finds these programs.
  ProcessResult run(const std::string& command) const {
    return run_shell("PATH=" + shell_quoted(folder_) + ":$PATH; unset TESSERA_SITE TESSERA_HOME; " + command);
  }

 private:
  std::string folder_;
};

}  // namespace tessera::testing
