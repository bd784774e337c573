// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tessera::jobs {

/// How a program ended.
struct ProgramEnd {
  int exit_code = -1;      ///< 128 + number of the signal that ended it; 127 if there is no such program
  std::string output;      ///< what it wrote to standard output
  std::string errors;      ///< and to standard error
  bool timed_out = false;  ///< it was ended as its time was up
  bool stopped = false;    ///< it was ended, or had ended, when this process was asked to stop
  bool succeeded() const { return exit_code == 0; }
};

struct ProgramSettings {
  double timeout_seconds = 60;
  std::vector<std::string> environment;  ///< more variables, NAME=VALUE, over those of this process
  /// If given, asked every few milliseconds: true ends the program early. It has a process group of its own then, so
  /// that Ctrl-C does not reach it besides.
  std::function<bool()> stop_requested = {};
};

/// Runs words[0], which is looked for in PATH, without a shell, and waits for its end; its standard input is empty. No
/// signal is blocked in it. At the timeout, or once stop_requested() is true, it gets SIGTERM, on which launchers end
/// what they started, and ten seconds later SIGKILL; SIGTERM too should this process die. Throws base::SystemError if
/// it cannot be started. Not to be called once MPI has started: it forks.
ProgramEnd run_program(const std::vector<std::string>& words, const ProgramSettings& settings = {});

/// Whether PATH has a program of this name.
bool is_installed(const std::string& name);

/// Full path of this program.
std::string path_of_this_program();

/// Of what a program wrote, without the end of the line.
std::string first_line(const std::string& text);

/// A word as a shell reads it: 'it'\''s here'; words of letters, digits and _./:=,@%+- stay as they are.
std::string shell_quoted(const std::string& word);

}  // namespace tessera::jobs
