// SPDX-License-Identifier: Apache-2.0
#include "support/process.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>

namespace tessera::testing {

namespace fs = std::filesystem;

std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

ProcessResult run_shell(const std::string& command) {
  const TestFolder folder;
  const std::string out = folder / "out", err = folder / "err";
  const int status =
      std::system(("{ " + command + "\n} >" + shell_quoted(out) + " 2>" + shell_quoted(err) + " </dev/null").c_str());
  ProcessResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.output = read_file(out);
  result.errors = read_file(err);
  return result;
}

std::string tessera() {
  return "OMP_NUM_THREADS=1 " + shell_quoted(TESSERA_BINARY);
}

std::string tessera_on(int ranks, const std::string& mpirun_options) {
  return launched_on(ranks, TESSERA_BINARY, mpirun_options);
}

std::string launched_on(int ranks, const std::string& program, const std::string& mpirun_options) {
  return "OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
         "OMPI_MCA_mpi_yield_when_idle=1 " TESSERA_LOCAL_LAUNCHER " -n " +
         std::to_string(ranks) + " " + mpirun_options + " " + shell_quoted(program);
}

std::string wait_until(const std::string& command) {
  return "for i in $(seq 2400); do " + command + " && break; kill -0 $! 2>&- || break; sleep 0.05; done; ";
}

std::string wait_for_lines(const std::string& path, int lines) {
  return wait_until("test $(cat " + shell_quoted(path) + " 2>&- | wc -l) -ge " + std::to_string(lines));
}

TestFolder::TestFolder() {
  std::string pattern = (fs::temp_directory_path() / "tessera-test-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string sample_text(std::size_t num_bytes) {
  static constexpr const char* words[] = {"the",   "river", "and",     "a",    "stone", "was",  "old",
                                          "light", "of",    "morning", "they", "said",  "to",   "king",
                                          "in",    "house", "not",     "it",   "fell",  "green"};
  std::string text;
  std::uint32_t state = 12345;
  std::size_t in_sentence = 0;
  while (text.size() < num_bytes) {
    state = state * 1664525u + 1013904223u;
    std::string word = words[(state >> 16) % std::size(words)];
    if (in_sentence == 0) word[0] = static_cast<char>(word[0] - 'a' + 'A');
    text += word;
    text += ++in_sentence % 9 == 0 ? ".\n" : " ";
    if (in_sentence % 9 == 0) in_sentence = 0;
  }
  return text;
}

}  // namespace tessera::testing
