// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <unistd.h>

#include "comm/together.hpp"
#include "data/prepare.hpp"
#include "mpi/world.hpp"
#include "support/process.hpp"
#include "train/tokens.hpp"

namespace tessera::testing {

/// A folder that all ranks know with a token file, gone at the end.
struct TokenFolder {
  std::string folder = world().broadcast_text(
      (std::filesystem::temp_directory_path() / ("tessera-reshard-" + std::to_string(getpid()))).string(), 0, "folder");
  std::optional<data::TokenFile> file;
  train::TokenRange tokens;

  TokenFolder() {
    comm::together(world(), "token file", [&] {
      if (world().rank() != 0) return;
      std::filesystem::create_directories(folder);
      std::ofstream(folder + "/text.txt") << sample_text(40000);
      data::PrepareOptions options;
      options.inputs = {folder + "/text.txt"};
      options.tokenizer = "bytes";
      options.output = folder + "/tokens.h5";
      data::prepare(options);
    });
    file.emplace(data::TokenFile::open(folder + "/tokens.h5"));
    tokens = {&*file, 0, file->num_tokens()};
  }
  ~TokenFolder() {
    world().barrier("end of the test");
    if (world().rank() == 0) std::filesystem::remove_all(folder);
  }
};

}  // namespace tessera::testing
