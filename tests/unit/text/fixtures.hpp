// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "base/philox.hpp"
#include "text/tokenizer.hpp"
#include "text/utf8.hpp"

namespace text_test {

namespace base = tessera::base;
namespace text = tessera::text;
namespace fs = std::filesystem;

/// A folder of this process, gone at the end of the test.
class TempFolder {
 public:
  TempFolder() : path_(fs::temp_directory_path() / ("tessera_text_" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path(const std::string& name = "") const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

 private:
  fs::path path_;
};

inline std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Passes if the message holds each part.
inline auto says(std::vector<std::string> parts) {
  return [parts = std::move(parts)](const base::UsageError& error) {
    for (const std::string& part : parts) {
      if (std::string(error.what()).find(part) == std::string::npos) {
        std::cout << "no \"" << part << "\" in: " << error.what() << "\n";
        return false;
      }
    }
    return true;
  };
}

/// Strings made to hurt: bytes, ASCII, characters of several scripts, broken sequences, runs of white space.
inline std::string random_text(std::uint64_t number) {
  const base::PhiloxKey key = base::philox_key(11, base::RandomStream::test);
  std::uint64_t draw = 0;
  const auto below = [&](std::uint64_t bound) { return base::random_u64(key, number, draw++) % bound; };
  constexpr char32_t kSpecial[] = {0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x3000, 0xFEFF, 0x180E, 0x1C, 0x4E2D, 0x1F999};
  std::string out;
  for (std::uint64_t parts = below(12); parts > 0; --parts) {
    switch (below(6)) {
      case 0:
        out += static_cast<char>(below(256));
        break;
      case 1:
        out.append(below(5), " \n\t\r"[below(4)]);
        break;
      case 2:
        text::append_utf8(kSpecial[below(std::size(kSpecial))], out);
        break;
      case 3:
        text::append_utf8(static_cast<char32_t>(0xA1 + below(0x3000)), out);
        break;
      case 4:
        out += std::string("the and's 12 345 \xE4\xB8 \xF0\x9F\xA6 !?").substr(below(20), below(9));
        break;
      default:
        for (std::uint64_t i = below(10); i > 0; --i) out += static_cast<char>('a' + below(6));
    }
  }
  return out;
}

/// English-like text, deterministic, with enough repetition for merges.
inline std::string sample_text(std::uint64_t num_words) {
  const base::PhiloxKey key = base::philox_key(12, base::RandomStream::test);
  const char* words[] = {
      "the", "then",      "there", "water", "waters", "light", "lights",       "night's",
      "In",  "beginning", "12",    "1234",  "and",    "sand",  "na\xC3\xAFve", "\xE5\xA4\xA9\xE5\x9C\xB0",
      "aaa", "aaaaaaa"};
  std::string out;
  for (std::uint64_t i = 0; i < num_words; ++i) {
    out += words[base::random_u64(key, i) % std::size(words)];
    out += base::random_u64(key, i, 1) % 8 == 0 ? ".\n" : " ";
  }
  return out;
}

}  // namespace text_test
