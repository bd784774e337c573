// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"

namespace tessera::safetensors {

namespace fs = std::filesystem;

/// A folder of this process, gone at the end of the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("tessera_safetensors_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path / name).string(); }
  std::string write(const std::string& name, const std::string& content) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << content;
    return *this / name;
  }
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// `value` in 8 bytes, little-endian.
inline std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return bytes;
}

/// A whole file: size field, header, data.
inline std::string file_bytes(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

/// "\"a\":{...}" of a header.
inline std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                         std::uint64_t first, std::uint64_t last) {
  return "\"" + name + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
         std::to_string(first) + "," + std::to_string(last) + "]}";
}

/// Passes if the message holds each part.
inline auto says(std::vector<std::string> parts) {
  return [parts = std::move(parts)](const base::UsageError& error) {
    const std::string message = error.what();
    for (const std::string& part : parts)
      BOOST_TEST(message.find(part) != std::string::npos, "no \"" << part << "\" in: " << message);
    return true;
  };
}

}  // namespace tessera::safetensors
