// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/posix_file.hpp"

namespace tessera::safetensors {

/// A folder that is filled with files under temporary names, which then get their own one after the other.
class OutputFolder {
 public:
  /// Makes the folder. Throws base::UsageError unless it is empty or absent, or if it cannot be made.
  explicit OutputFolder(const std::string& path);
  /// Removes the files that were not published, and the folder if it was made here and is empty then.
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  /// A new file that publish() will call `name`. Throws base::SystemError.
  base::PosixFile create(const std::string& name);
  /// Gives every created file its name, in the order of creation, each on disk before. Returns the names.
  std::vector<std::string> publish();

 private:
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }
  std::string temporary(const std::string& name) const { return path_of(name) + ".tmp"; }

  std::string path_;
  bool made_ = false;
  std::vector<std::string> names_;
  std::size_t num_published_ = 0;
};

}  // namespace tessera::safetensors
