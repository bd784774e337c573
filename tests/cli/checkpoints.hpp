// SPDX-License-Identifier: Apache-2.0
// A run with checkpoints, for tests of the commands that look after them.
#pragma once

#include <filesystem>
#include <fstream>
#include <iostream>

#include "checkpoint/file_reader.hpp"
#include "cli/fixture.hpp"
#include "json/json.hpp"

namespace tessera::testing {

/// Checkpoints of steps 2, 4, 6 and 8 of a run that keeps multiples of 4 for good.
struct CheckpointFixture : RunFixture {
  std::string dir = run + "/checkpoints";

  CheckpointFixture() {
    const ProcessResult result = train("--checkpoint.interval 2 --checkpoint.keep_every 4");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  }

  std::string file(int step) const { return dir + "/step-0000000" + std::to_string(step) + ".h5"; }
  bool has(int step) const { return std::filesystem::exists(file(step)); }

  /// "tessera checkpoint" and more words.
  static ProcessResult checkpoint(const std::string& words) { return run_shell(tessera() + " checkpoint " + words); }
  /// The object that it prints with --json; it must end with `exit_code`.
  static json::Json json_of(const std::string& words, int exit_code = 0) {
    const ProcessResult result = checkpoint(words + " --json");
    BOOST_REQUIRE_MESSAGE(result.exit_code == exit_code, words << ": " << result.exit_code << "\n" << result.errors);
    return json::parse(result.output, words);
  }
};

/// Flips a bit of a tensor.
inline void damage_tensor(const std::string& path, const std::string& dataset) {
  std::uint64_t offset = 0;
  {
    const checkpoint::FileReader file(path);
    const checkpoint::FileReader::Tensor* tensor = file.find(dataset);
    BOOST_REQUIRE_MESSAGE(tensor, dataset);
    offset = tensor->offset + 5;
  }
  std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(offset));
  const auto byte = static_cast<char>(bytes.get() ^ 0x10);
  bytes.seekp(static_cast<std::streamoff>(offset));
  bytes.put(byte);
}

/// Runs a script of this folder; false, and reported as skipped, if h5py is absent.
inline bool run_script(const std::string& words, ProcessResult& result) {
  if (run_shell("/usr/bin/python3 -c 'import h5py'").exit_code != 0) {
    std::cout << "SKIPPED: python3-h5py is not installed\n";
    return false;
  }
  result = run_shell("/usr/bin/python3 " + shell_quoted(TESSERA_SOURCE_DIR "/tests/cli/") + words);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  return true;
}

}  // namespace tessera::testing
