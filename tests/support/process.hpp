// SPDX-License-Identifier: Apache-2.0
// Running the tessera binary as a user does, for tests.
#pragma once

#include <string>

namespace tessera::testing {

struct ProcessResult {
  int exit_code = -1;  ///< 128 + signal if it was killed
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

/// Runs a shell command and waits for it.
ProcessResult run_shell(const std::string& command);

/// `text` quoted for the shell.
std::string shell_quoted(const std::string& text);

/// Path of the tessera binary, quoted for the shell.
std::string tessera();
/// "mpirun -n N ... tessera" with the settings a small test machine needs and one thread a rank, and more options of
/// mpirun.
std::string tessera_on(int ranks, const std::string& mpirun_options = "");
/// The same with another program in place of tessera.
std::string launched_on(int ranks, const std::string& program, const std::string& mpirun_options = "");

/// Shell text that waits until a command succeeds: two minutes at most, and not beyond the end of the command in the
/// background ($!). What comes behind it runs all the same, so that a test fails and does not hang.
std::string wait_until(const std::string& command);
/// The same until a file has so many lines: of metrics.jsonl, how a test sees how far a run came.
std::string wait_for_lines(const std::string& path, int lines = 1);

/// A new folder in the temporary folder, removed with its contents by the destructor.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void write_file(const std::string& path, const std::string& content);
std::string read_file(const std::string& path);

/// English-like text of about `num_bytes`, the same every time: sentences of common words in a pseudo-random order.
std::string sample_text(std::size_t num_bytes);

}  // namespace tessera::testing
