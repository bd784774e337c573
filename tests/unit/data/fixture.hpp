// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "data/prepare.hpp"
#include "data/token_file.hpp"
#include "support/folder.hpp"

namespace tessera::testing {

namespace fs = std::filesystem;

/// The same with token files.
struct DataFolder : Folder {
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
