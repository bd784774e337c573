// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "data/prepare.hpp"
#include "data/token_file.hpp"

namespace tessera::testing {

namespace fs = std::filesystem;

/// A folder of this process, gone at the end of the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("tessera_data_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
    return *this / name;
  }
  std::string prepare(const std::vector<std::string>& inputs, const std::string& tokenizer) const {
    data::PrepareOptions options;
    options.inputs = inputs;
    options.tokenizer = tokenizer;
    options.output = *this / "tokens.h5";
    data::prepare(options);
    return options.output;
  }
};

inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::UsageError& error) {
    return error.what();
  }
  return "(no error)";
}

inline void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    BOOST_TEST(message.find(word) != std::string::npos, "no '" << word << "' in: " << message);
}

inline std::vector<std::int32_t> all_tokens(const data::TokenFile& file) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(file.num_tokens()));
  file.read(0, file.num_tokens(), ids.data());
  return ids;
}

}  // namespace tessera::testing
