// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "support/folder.hpp"

namespace tessera::safetensors {

namespace fs = std::filesystem;

using testing::Folder;
using testing::read_bytes;

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
